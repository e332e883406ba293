// Element types on the device, and the one way a pending affine and ReLU are computed there.
#pragma once

#include <cuda_runtime.h>

#include "kernels/launch.h"

#ifdef __CUDA_ARCH__
#include <cuda_bf16.h>
#endif

namespace sepia::kernels::cuda::detail {

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return static_cast<float>(x); }

/// float -> T, to nearest even.
template <class T>
__device__ __forceinline__ T from_float(float x) {
  return x;
}
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float x) {
#ifdef __CUDA_ARCH__
  bf16 rounded;  // one instruction in place of the five of bf16's constructor; they differ in the payload of a NaN alone
  rounded.bits = __bfloat16_as_ushort(__float2bfloat16_rn(x));
  return rounded;
#else
  return bf16(x);
#endif
}

/// scale * x + shift, rounded once. Forward passes and the masks that backward passes recompute all call this, so that a ReLU is
/// closed in one exactly where it is closed in the other.
__device__ __forceinline__ float apply_affine(float scale, float x, float shift) { return fmaf(scale, x, shift); }

/// relu as PyTorch has it: NaN stays NaN.
__device__ __forceinline__ float relu(float a) { return a < 0.0f ? 0.0f : a; }

/// max(a, floor), NaN kept: relu for a floor of 0, and no change for one of -infinity. One instruction and no branch, for loops in which
/// the choice must cost nothing. relu(a) and at_least(a, 0) differ in the sign of zero alone.
__device__ __forceinline__ float at_least(float a, float floor) {
#ifdef __CUDA_ARCH__
  float larger;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(larger) : "f"(a), "f"(floor));
  return larger;
#else
  return a < floor ? floor : a;
#endif
}

/// A prologue's part for one channel, in registers: loaded once, applied to many pixels. The identity when the prologue is empty.
struct ChannelPrologue {
  float scale = 1.0f, shift = 0.0f;
  bool relu_after = false;

  /// The affine output (what a ReLU looks at). Without an affine part x passes unchanged: 1 * x + 0 is exact.
  __device__ __forceinline__ float affine(float x) const { return apply_affine(scale, x, shift); }
  __device__ __forceinline__ float value(float x) const {
    const float a = affine(x);
    return relu_after ? relu(a) : a;
  }
  /// Whether a gradient at value(x) reaches affine(x).
  __device__ __forceinline__ bool passes(float x) const { return !relu_after || !(affine(x) <= 0.0f); }
};

/// The part of `prologue` for channel c.
template <class T>
__device__ __forceinline__ ChannelPrologue channel_prologue(const Prologue<T>& prologue, std::int64_t c) {
  ChannelPrologue part;
  if (prologue.scale) {
    part.scale = prologue.scale[c];
    part.shift = prologue.shift[c];
  }
  part.relu_after = prologue.relu;
  return part;
}

/// destination = value or destination += value, for a T or an accumulator.
template <class T>
__device__ __forceinline__ void put(T& destination, float value, Accumulate accumulate) {
  destination = from_float<T>(accumulate == Accumulate::kAdd ? to_float(destination) + value : value);
}

}  // namespace sepia::kernels::cuda::detail
