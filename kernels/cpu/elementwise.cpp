// Element-wise kernels (kernels/elementwise.h). All are bound by memory: each array is read or written once, in order, and a few
// instructions per vector are spent on it. Elements are independent, so results do not depend on threads.
#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

template <class T>
void affine_relu_forward_vector(const AffineReluForward<T>& a) {
  for_rows(a.rows, a.channels, a.prologue.scale != nullptr, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    lanes.store(load_act(a.prologue, lanes, c).value(lanes.load(a.x + i)), a.y + i);
  });
}

template <class T>
void affine_relu_backward_vector(const AffineReluBackward<T>& a) {
  if (!a.prologue.relu) {
    return for_flat(a.rows * a.channels,
                    [&](auto lanes, std::int64_t i) HWY_ATTR { store(lanes, lanes.load(a.grad_y + i), a.grad_x + i, a.accumulate); });
  }
  for_rows(a.rows, a.channels, a.prologue.scale != nullptr, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    const V passed = load_act(a.prologue, lanes, c).pass(lanes.load(a.x + i), lanes.load(a.grad_y + i));
    store(lanes, passed, a.grad_x + i, a.accumulate);
  });
}

template <class T>
void add_forward_vector(const AddForward<T>& a) {
  const bool per_channel = a.prologue_a.scale || a.prologue_b.scale;
  for_rows(a.rows, a.channels, per_channel, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    const V first = load_act(a.prologue_a, lanes, c).value(lanes.load(a.a + i));
    const V second = load_act(a.prologue_b, lanes, c).value(lanes.load(a.b + i));
    lanes.store(hn::Add(first, second), a.y + i);
  });
}

template <class T>
void accumulate_into_vector(const AccumulateInto<T>& a) {
  for_flat(a.count, [&](auto lanes, std::int64_t i) HWY_ATTR { store(lanes, lanes.load(a.source + i), a.destination + i, a.accumulate); });
}

SEPIA_EXPORT_TYPES(affine_relu_forward, AffineReluForward)
SEPIA_EXPORT_TYPES(affine_relu_backward, AffineReluBackward)
SEPIA_EXPORT_TYPES(add_forward, AddForward)
SEPIA_EXPORT_TYPES(accumulate_into, AccumulateInto)

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(affine_relu_forward, AffineReluForward)
SEPIA_DISPATCH(affine_relu_backward, AffineReluBackward)
SEPIA_DISPATCH(add_forward, AddForward)
SEPIA_DISPATCH(accumulate_into, AccumulateInto)

}  // namespace sepia::kernels::cpu
#endif
