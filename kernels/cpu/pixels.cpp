#include "kernels/cpu/pixels.h"

#include <bit>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pixels.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

template <class T>
void Normalise(const PixelMap::Turn& turn, std::int64_t count, const std::uint8_t* bytes, T* out) {
  const Floats d;
  V scale[3], rest[3], shift[3];
  for (int i = 0; i < 3; ++i) {
    scale[i] = hn::LoadU(d, turn.scale + i * kLanes);
    rest[i] = hn::LoadU(d, turn.rest + i * kLanes);
    shift[i] = hn::LoadU(d, turn.shift + i * kLanes);
  }
  const auto vector = [&](auto lanes, int i, std::int64_t at) HWY_ATTR {
    const V v = hn::ConvertTo(d, lanes.load_bytes(bytes + at));
    lanes.store(hn::MulAdd(v, scale[i], hn::MulAdd(v, rest[i], shift[i])), out + at);
  };
  std::int64_t at = 0;
  for (; at + 3 * kLanes <= count; at += 3 * kLanes) {
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) vector(FullLanes{}, i, at + i * kLanes);
  }
  int i = 0;
  for (; at + kLanes <= count; at += kLanes) vector(FullLanes{}, i++, at);
  if (at < count) vector(TailLanes{static_cast<std::size_t>(count - at)}, i, at);
}

// What is dispatched is no template: F for float, H for bf16.
void NormaliseF(const PixelMap::Turn& turn, std::int64_t count, const std::uint8_t* bytes, float* out) { Normalise(turn, count, bytes, out); }
void NormaliseH(const PixelMap::Turn& turn, std::int64_t count, const std::uint8_t* bytes, bf16* out) { Normalise(turn, count, bytes, out); }

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(NormaliseF);
HWY_EXPORT(NormaliseH);

PixelMap::PixelMap(const std::array<double, 3>& mean, const std::array<double, 3>& std) {
  for (std::size_t i = 0; i < kTurn; ++i) {
    const double factor = 1 / (255 * std[i % 3]);
    // The upper 16 of 24 significant bits: eight more, a byte's, are a float again.
    turn_.scale[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(static_cast<float>(factor)) & 0xffffff00U);
    turn_.rest[i] = static_cast<float>(factor - turn_.scale[i]);
    turn_.shift[i] = static_cast<float>(-mean[i % 3] / std[i % 3]);
  }
}

void PixelMap::operator()(std::int64_t count, const std::uint8_t* bytes, float* out) const { HWY_DYNAMIC_DISPATCH(NormaliseF)(turn_, count, bytes, out); }
void PixelMap::operator()(std::int64_t count, const std::uint8_t* bytes, bf16* out) const { HWY_DYNAMIC_DISPATCH(NormaliseH)(turn_, count, bytes, out); }

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
