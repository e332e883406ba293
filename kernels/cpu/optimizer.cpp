// Optimiser kernels over flat arenas (kernels/optimizer.h).
//
// Cost: adam_step reads four arrays and writes three, 28 bytes a parameter, bound by memory; sgd_step 20 with momentum; the
// others read once. Arrays are cut into chunks of fixed length; sums are kept per chunk and added in chunk order.
#include "kernels/optimizer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optimizer.cpp"
#include <hwy/foreach_target.h>

#include <cmath>

#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

template <class T>
void adam_step_vector(const AdamStep<T>& arguments) {
  if (stopped(arguments.control)) return;
  const AdamStep<T> a = resolved(arguments);
  const auto t = static_cast<double>(a.step);
  const auto constant = [](double value) HWY_ATTR { return splat(static_cast<float>(value)); };
  const V beta1 = constant(a.beta1), one_minus_beta1 = constant(1 - a.beta1);
  const V beta2 = constant(a.beta2), one_minus_beta2 = constant(1 - a.beta2), eps = constant(a.eps);
  const V step_size = constant(a.lr / (1 - std::pow(a.beta1, t)));
  const V root_correction = constant(std::sqrt(1 - std::pow(a.beta2, t)));
  const V gradient_scale = constant(a.gradient_scale);
  const V coupled_decay = constant(a.decoupled ? 0 : a.weight_decay), decoupled_decay = constant(a.decoupled ? a.lr * a.weight_decay : 0);
  for_flat(a.count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    V w = lanes.load(a.weight + i);
    const V g = hn::MulAdd(gradient_scale, lanes.load(a.gradient + i), hn::Mul(coupled_decay, w));
    w = hn::NegMulAdd(decoupled_decay, w, w);
    const V m = hn::MulAdd(beta1, lanes.load(a.m + i), hn::Mul(one_minus_beta1, g));
    const V v = hn::MulAdd(beta2, lanes.load(a.v + i), hn::Mul(hn::Mul(one_minus_beta2, g), g));
    const V denominator = hn::Add(hn::Div(hn::Sqrt(v), root_correction), eps);
    w = hn::Sub(w, hn::Div(hn::Mul(step_size, m), denominator));
    lanes.store(m, a.m + i);
    lanes.store(v, a.v + i);
    lanes.store(w, a.weight + i);
    if (a.shadow) lanes.store(w, a.shadow + i);
  });
}

template <class T>
void sgd_step_vector(const SgdStep<T>& arguments) {
  if (stopped(arguments.control)) return;
  const SgdStep<T> a = resolved(arguments);
  const V lr = splat(static_cast<float>(a.lr)), momentum = splat(static_cast<float>(a.momentum));
  const V decay = splat(static_cast<float>(a.weight_decay)), gradient_scale = splat(static_cast<float>(a.gradient_scale));
  for_flat(a.count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    const V w = lanes.load(a.weight + i);
    V update = hn::MulAdd(gradient_scale, lanes.load(a.gradient + i), hn::Mul(decay, w));
    if (a.momentum_buffer) {
      const V b = a.first_step ? update : hn::MulAdd(momentum, lanes.load(a.momentum_buffer + i), update);
      lanes.store(b, a.momentum_buffer + i);
      update = a.nesterov ? hn::MulAdd(momentum, b, update) : b;
    }
    const V stepped = hn::NegMulAdd(lr, update, w);
    lanes.store(stepped, a.weight + i);
    if (a.shadow) lanes.store(stepped, a.shadow + i);
  });
}

template <class T>
void lerp_vector(const Lerp<T>& a) {
  if (stopped(a.control)) return;
  const V weight = splat(static_cast<float>(a.weight));
  for_flat(a.count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    const V old = lanes.load(a.destination + i);
    lanes.store(hn::MulAdd(weight, hn::Sub(lanes.load(a.source + i), old), old), a.destination + i);
  });
}

/// Squares are taken and added in double, so that neither overflow of a float nor a long sum spoils a gradient norm.
template <class T>
void sum_of_squares_vector(const SumOfSquares<T>& a) {
  constexpr hn::ScalableTag<double> doubles;
  constexpr hn::Rebind<float, hn::ScalableTag<double>> half_floats;
  constexpr auto kHalf = static_cast<std::int64_t>(hn::MaxLanes(doubles));
  const std::int64_t pieces = pieces_of(a.count, kPieceFloats);
  auto* partial = reinterpret_cast<double*>(scratch(Scratch::kPartials, 2 * pieces));
  parallel_for(pieces, [&](std::int64_t piece) HWY_ATTR {
    const float* x = a.x + piece * kPieceFloats;
    const std::int64_t count = std::min(kPieceFloats, a.count - piece * kPieceFloats);
    auto sum0 = hn::Zero(doubles), sum1 = hn::Zero(doubles);
    std::int64_t i = 0;
    for (; i + 2 * kHalf <= count; i += 2 * kHalf) {
      const auto x0 = hn::PromoteTo(doubles, hn::LoadU(half_floats, x + i));
      const auto x1 = hn::PromoteTo(doubles, hn::LoadU(half_floats, x + i + kHalf));
      sum0 = hn::MulAdd(x0, x0, sum0);
      sum1 = hn::MulAdd(x1, x1, sum1);
    }
    double sum = hn::GetLane(hn::SumOfLanes(doubles, hn::Add(sum0, sum1)));
    for (; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    partial[piece] = sum;
  });
  double total = 0;
  for (std::int64_t piece = 0; piece < pieces; ++piece) total += partial[piece];
  *a.result = total;
}

/// 0 * x is NaN exactly where x is NaN or infinite; the sum of a piece says whether it is worth looking for the place.
template <class T>
void find_nonfinite_vector(const FindNonfinite<T>& a) {
  const std::int64_t pieces = pieces_of(a.count, kPieceFloats);
  float* suspect = scratch(Scratch::kPartials, pieces);
  parallel_for(pieces, [&](std::int64_t piece) HWY_ATTR {
    const float* x = a.x + piece * kPieceFloats;
    const V zero = splat(0.0f);
    V sum = zero;
    for_vectors(std::min(kPieceFloats, a.count - piece * kPieceFloats),
                [&](auto lanes, std::int64_t i) HWY_ATTR { sum = hn::MulAdd(zero, lanes.load(x + i), sum); });
    suspect[piece] = hn::GetLane(hn::SumOfLanes(Floats(), sum));
  });
  *a.result = -1;
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    if (suspect[piece] == 0.0f) continue;
    std::int64_t i = piece * kPieceFloats;
    while (std::isfinite(a.x[i])) ++i;
    *a.result = i;
    return;
  }
}

SEPIA_EXPORT_TYPES(adam_step, AdamStep)
SEPIA_EXPORT_TYPES(sgd_step, SgdStep)
SEPIA_EXPORT_TYPES(lerp, Lerp)
SEPIA_EXPORT_TYPES(sum_of_squares, SumOfSquares)
SEPIA_EXPORT_TYPES(find_nonfinite, FindNonfinite)

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(adam_step, AdamStep)
SEPIA_DISPATCH(sgd_step, SgdStep)
SEPIA_DISPATCH(lerp, Lerp)
SEPIA_DISPATCH(sum_of_squares, SumOfSquares)
SEPIA_DISPATCH(find_nonfinite, FindNonfinite)

template <class T>
void head_of_step(const LaunchContext& context, const PrepareStep<T>& a) {
  double squares = 0;
  std::int64_t first_nonfinite = -1;
  sum_of_squares(context, SumOfSquares<T>{a.count, a.gradients, &squares});
  find_nonfinite(context, FindNonfinite<T>{a.count, a.gradients, &first_nonfinite});
  conclude_step(*a.control, *a.loss, std::sqrt(squares), first_nonfinite, a.count, a.clip_grad);
}

void prepare_step(const LaunchContext& context, const PrepareStep<float>& a) { head_of_step(context, a); }
void prepare_step(const LaunchContext& context, const PrepareStep<bf16>& a) { head_of_step(context, a); }

}  // namespace sepia::kernels::cpu
#endif
