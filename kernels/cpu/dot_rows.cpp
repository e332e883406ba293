#include "kernels/cpu/dot_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/dot_rows.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

// Streams of weights at a time: enough reads under way to use the memory.
constexpr int kStreams = 4;
// Numbers in one step: a vector of floats, or as many pairs of bf16 numbers as it has lanes.
template <class T>
constexpr std::int64_t kStep = kLanes * static_cast<std::int64_t>(sizeof(float) / sizeof(T));

HWY_INLINE V load_step(const float* p) { return hn::LoadU(Floats(), p); }
HWY_INLINE V load_step(const bf16* p) { return hn::BitCast(Floats(), hn::LoadU(Words(), reinterpret_cast<const std::uint32_t*>(p))); }
HWY_INLINE V add_products(const float*, V sum, V x, V w) { return hn::MulAdd(x, w, sum); }
HWY_INLINE V add_products(const bf16*, V sum, V x, V w) { return add_products_of_pairs(sum, x, w); }

template <int kRows, int kOutputs, class T>
HWY_INLINE void DotTile(const DotRows<T>& a, std::int64_t output) {
  V sum[kRows][kOutputs];
#pragma GCC unroll 4
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o) sum[m][o] = splat(0.0F);
  }
  const T* const weight = a.weight + output * a.k;
  std::int64_t k = 0;
  for (; k + kStep<T> <= a.k; k += kStep<T>) {
    V w[kOutputs];
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o) w[o] = load_step(weight + o * a.k + k);
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) {
      const V x = load_step(a.x + m * a.k + k);
#pragma GCC unroll 4
      for (int o = 0; o < kOutputs; ++o) sum[m][o] = add_products(a.x, sum[m][o], x, w[o]);
    }
  }
  for_vectors(a.k - k, [&](auto lanes, std::int64_t i) HWY_ATTR {  // what does not fill a step, in float
#pragma GCC unroll 4
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
      for (int o = 0; o < kOutputs; ++o) sum[m][o] = hn::MulAdd(lanes.load(a.x + m * a.k + k + i), lanes.load(weight + o * a.k + k + i), sum[m][o]);
    }
  });
#pragma GCC unroll 4
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o) {
      const float total = hn::GetLane(hn::SumOfLanes(Floats(), sum[m][o]));
      a.y[m * a.ldy + output + o] = T(a.bias ? total + a.bias[output + o] : total);
    }
  }
}

template <int kRows, class T>
void Dot(const DotRows<T>& a) {
  std::int64_t output = 0;
  for (; output + kStreams <= a.outputs; output += kStreams) DotTile<kRows, kStreams>(a, output);
  for (; output < a.outputs; ++output) DotTile<kRows, 1>(a, output);
}

template <class T>
void DotOfRows(const DotRows<T>& a) {
  switch (a.rows) {
    case 1: return Dot<1>(a);
    case 2: return Dot<2>(a);
    case 3: return Dot<3>(a);
    case 4: return Dot<4>(a);
    default: return;
  }
}

// What is dispatched is no template: F for float, H for bf16.
void DotF(const DotRows<float>& a) { DotOfRows(a); }
void DotH(const DotRows<bf16>& a) { DotOfRows(a); }

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(DotF);
HWY_EXPORT(DotH);

void dot_rows(const DotRows<float>& args) { HWY_DYNAMIC_DISPATCH(DotF)(args); }
void dot_rows(const DotRows<bf16>& args) { HWY_DYNAMIC_DISPATCH(DotH)(args); }

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
