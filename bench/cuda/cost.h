// The least that each kernel can move and compute: every input read once, every output written once, nothing kept from before.
// What a kernel is held against, by the emulator's count and by the clock.
#pragma once

#include "kernels/op_list.h"

namespace sepia::bench {

struct Cost {
  double read = 0, written = 0;  ///< bytes
  double flops = 0;
  bool matrix = false;  ///< the flops are matrix products, which tensor cores can do

  double bytes() const { return read + written; }
};

namespace cost_detail {

using namespace kernels;

template <class T>
double prologue_bytes(const Prologue<T>& p, std::int64_t channels) {
  return p.scale ? 2.0 * static_cast<double>(channels) * sizeof(Accumulator<T>) : 0;
}
/// An output that is added to is read as well.
inline double before(double bytes, Accumulate accumulate) { return accumulate == Accumulate::kAdd ? bytes : 0; }

template <class Shape>
double x_count(const Shape& s, std::int64_t channels) { return static_cast<double>(s.batch * s.height * s.width * channels); }
template <class Shape>
double y_count(const Shape& s, std::int64_t channels) { return static_cast<double>(s.batch * s.out_height() * s.out_width() * channels); }

inline double weight_count(const Conv2dShape& s) { return static_cast<double>(s.out_channels * s.kernel_h * s.kernel_w * s.in_channels); }
inline double weight_count(const LinearShape& s) { return static_cast<double>(s.out_features * s.in_features); }
inline double weight_count(const DepthwiseConvShape& s) { return static_cast<double>(s.kernel_h * s.kernel_w * s.channels); }
inline double count(const BatchNormShape& s) { return static_cast<double>(s.rows * s.channels); }

// x, y in elements, weights; `channels` of the prologue and of the bias.
struct Product {
  double x, y, weights, flops;
  std::int64_t in_channels, out_channels;
};
inline Product product(const Conv2dShape& s) {
  return {x_count(s, s.in_channels), y_count(s, s.out_channels), weight_count(s),
          2 * y_count(s, s.out_channels) * static_cast<double>(s.kernel_h * s.kernel_w * s.in_channels), s.in_channels, s.out_channels};
}
inline Product product(const LinearShape& s) {
  const auto rows = static_cast<double>(s.rows);
  return {rows * static_cast<double>(s.in_features), rows * static_cast<double>(s.out_features), weight_count(s), 2 * rows * weight_count(s),
          s.in_features, s.out_features};
}

template <class T, class Args>
Cost product_forward(const Args& a) {
  const Product p = product(a.shape);
  const double bias = a.bias ? 4.0 * static_cast<double>(p.out_channels) : 0;
  return {sizeof(T) * (p.x + p.weights) + prologue_bytes(a.prologue, p.in_channels) + bias, sizeof(T) * p.y, p.flops, true};
}
template <class T, class Args>
Cost product_backward_input(const Args& a) {
  const Product p = product(a.shape);
  const double mask = a.prologue.relu ? sizeof(T) * p.x + prologue_bytes(a.prologue, p.in_channels) : 0;
  return {sizeof(T) * (p.y + p.weights) + mask + before(sizeof(T) * p.x, a.accumulate), sizeof(T) * p.x, p.flops, true};
}
template <class T, class Args>
Cost product_backward_weight(const Args& a) {
  const Product p = product(a.shape);
  const double written = 4.0 * (p.weights + (a.grad_bias ? static_cast<double>(p.out_channels) : 0));
  return {sizeof(T) * (p.x + p.y) + prologue_bytes(a.prologue, p.in_channels) + before(written, a.accumulate), written, p.flops, true};
}

}  // namespace cost_detail

template <class T> Cost cost(const kernels::Conv2dForward<T>& a) { return cost_detail::product_forward<T>(a); }
template <class T> Cost cost(const kernels::Conv2dBackwardInput<T>& a) { return cost_detail::product_backward_input<T>(a); }
template <class T> Cost cost(const kernels::Conv2dBackwardWeight<T>& a) { return cost_detail::product_backward_weight<T>(a); }
template <class T> Cost cost(const kernels::LinearForward<T>& a) { return cost_detail::product_forward<T>(a); }
template <class T> Cost cost(const kernels::LinearBackwardInput<T>& a) { return cost_detail::product_backward_input<T>(a); }
template <class T> Cost cost(const kernels::LinearBackwardWeight<T>& a) { return cost_detail::product_backward_weight<T>(a); }

template <class T>
Cost cost(const kernels::DepthwiseConvForward<T>& a) {
  using namespace cost_detail;
  const auto& s = a.shape;
  const double x = x_count(s, s.channels), y = y_count(s, s.channels);
  const double read = sizeof(T) * (x + weight_count(s)) + prologue_bytes(a.prologue, s.channels) + (a.bias ? 4.0 * static_cast<double>(s.channels) : 0);
  return {read, sizeof(T) * y, 2 * y * static_cast<double>(s.kernel_h * s.kernel_w)};
}
template <class T>
Cost cost(const kernels::DepthwiseConvBackward<T>& a) {
  using namespace cost_detail;
  const auto& s = a.shape;
  const double x = x_count(s, s.channels), y = y_count(s, s.channels), taps = static_cast<double>(s.kernel_h * s.kernel_w);
  const bool need_x = a.grad_weight || (a.grad_x && a.prologue.relu);
  Cost c;
  c.read = sizeof(T) * y + (need_x ? sizeof(T) * x + prologue_bytes(a.prologue, s.channels) : 0);
  if (a.grad_x) {
    c.read += sizeof(T) * weight_count(s) + before(sizeof(T) * x, a.accumulate_x);
    c.written += sizeof(T) * x;
    c.flops += 2 * y * taps;
  }
  const double sums = 4 * ((a.grad_weight ? weight_count(s) : 0) + (a.grad_bias ? static_cast<double>(s.channels) : 0));
  c.read += before(sums, a.accumulate_weight);
  c.written += sums;
  if (a.grad_weight) c.flops += 2 * y * taps;
  return c;
}

template <class T>
Cost cost(const kernels::BatchNormStatistics<T>& a) {
  return {sizeof(T) * cost_detail::count(a.shape), (a.unbiased_variance ? 12.0 : 8.0) * static_cast<double>(a.shape.channels), 4 * cost_detail::count(a.shape)};
}
template <class T>
Cost cost(const kernels::BatchNormAffine<T>& a) {
  return {16.0 * static_cast<double>(a.channels), 12.0 * static_cast<double>(a.channels), 6.0 * static_cast<double>(a.channels)};
}
template <class T>
Cost cost(const kernels::BatchNormBackwardSums<T>& a) {
  const double n = cost_detail::count(a.shape), c = static_cast<double>(a.shape.channels);
  return {2 * sizeof(T) * n + 8 * c, 8 * c, 5 * n};
}
template <class T>
Cost cost(const kernels::BatchNormBackwardInput<T>& a) {
  const double n = cost_detail::count(a.shape), c = static_cast<double>(a.shape.channels);
  const bool frozen = !a.sum_g;
  return {(frozen ? 1 : 2) * sizeof(T) * n + (frozen ? 4 : 20) * c + cost_detail::before(sizeof(T) * n, a.accumulate), sizeof(T) * n, 5 * n};
}

template <class T>
Cost cost(const kernels::AffineReluForward<T>& a) {
  const double n = static_cast<double>(a.rows * a.channels);
  return {sizeof(T) * n + cost_detail::prologue_bytes(a.prologue, a.channels), sizeof(T) * n, 3 * n};
}
template <class T>
Cost cost(const kernels::AffineReluBackward<T>& a) {
  const double n = static_cast<double>(a.rows * a.channels);
  const double mask = a.prologue.relu ? sizeof(T) * n + cost_detail::prologue_bytes(a.prologue, a.channels) : 0;
  return {sizeof(T) * n + mask + cost_detail::before(sizeof(T) * n, a.accumulate), sizeof(T) * n, 3 * n};
}
template <class T>
Cost cost(const kernels::AddForward<T>& a) {
  const double n = static_cast<double>(a.rows * a.channels);
  return {2 * sizeof(T) * n + cost_detail::prologue_bytes(a.prologue_a, a.channels) + cost_detail::prologue_bytes(a.prologue_b, a.channels),
          sizeof(T) * n, 5 * n};
}
template <class T>
Cost cost(const kernels::AccumulateInto<T>& a) {
  const double bytes = sizeof(T) * static_cast<double>(a.count);
  return {bytes + cost_detail::before(bytes, a.accumulate), bytes, static_cast<double>(a.count)};
}
template <class T>
Cost cost(const kernels::ImagesToInput<T>& a) {
  const double n = 3.0 * static_cast<double>(a.batch * a.height * a.width);
  return {n, sizeof(T) * n, 2 * n};
}
/// Nine weighted bytes for each number, read once where rows of neighbours come from the cache.
template <class T>
Cost cost(const kernels::ImagesToResidual<T>& a) {
  const double n = 3.0 * static_cast<double>(a.batch * a.height * a.width);
  return {n, sizeof(T) * n, 12 * n};
}

template <class T>
Cost cost(const kernels::MaxPoolForward<T>& a) {
  using namespace cost_detail;
  const auto& s = a.shape;
  const double x = x_count(s, s.channels), y = y_count(s, s.channels);
  return {sizeof(T) * x + prologue_bytes(a.prologue, s.channels), sizeof(T) * y + (a.index ? y : 0), y * static_cast<double>(s.kernel * s.kernel)};
}
template <class T>
Cost cost(const kernels::MaxPoolBackward<T>& a) {
  using namespace cost_detail;
  const auto& s = a.shape;
  const double x = x_count(s, s.channels), y = y_count(s, s.channels);
  return {(sizeof(T) * (a.relu ? 2 : 1) + 1) * y + before(sizeof(T) * x, a.accumulate), sizeof(T) * x, x};
}
template <class T>
Cost cost(const kernels::GlobalAvgPoolForward<T>& a) {
  const double y = static_cast<double>(a.batch * a.channels), x = y * static_cast<double>(a.positions);
  return {sizeof(T) * x + cost_detail::prologue_bytes(a.prologue, a.channels), sizeof(T) * y, x};
}
template <class T>
Cost cost(const kernels::GlobalAvgPoolBackward<T>& a) {
  const double y = static_cast<double>(a.batch * a.channels), x = y * static_cast<double>(a.positions);
  const double mask = a.prologue.relu ? sizeof(T) * x + cost_detail::prologue_bytes(a.prologue, a.channels) : 0;
  return {sizeof(T) * y + mask + cost_detail::before(sizeof(T) * x, a.accumulate), sizeof(T) * x, x};
}

template <class T>
Cost cost(const kernels::SoftmaxForward<T>& a) {
  const double n = static_cast<double>(a.rows * a.classes);
  return {sizeof(T) * n, sizeof(T) * n, 4 * n};
}
template <class T>
Cost cost(const kernels::SoftmaxBackward<T>& a) {
  const double n = static_cast<double>(a.rows * a.classes);
  return {2 * sizeof(T) * n + cost_detail::before(sizeof(T) * n, a.accumulate), sizeof(T) * n, 4 * n};
}
template <class T>
Cost cost(const kernels::CrossEntropyForward<T>& a) {
  const double n = static_cast<double>(a.rows * a.classes);
  return {sizeof(T) * n + 4.0 * static_cast<double>(a.rows), sizeof(T) * n + 4, 8 * n};
}
template <class T>
Cost cost(const kernels::CrossEntropyBackward<T>& a) {
  const double n = static_cast<double>(a.rows * a.classes);
  return {sizeof(T) * n + 4.0 * static_cast<double>(a.rows) + cost_detail::before(sizeof(T) * n, a.accumulate), sizeof(T) * n, 4 * n};
}

template <class T>
Cost cost(const kernels::AdamStep<T>& a) {
  const auto n = static_cast<double>(a.count);
  return {16 * n, 12 * n + (a.shadow ? sizeof(T) * n : 0), 12 * n};
}
template <class T>
Cost cost(const kernels::SgdStep<T>& a) {
  const auto n = static_cast<double>(a.count);
  const bool reads = a.momentum_buffer && !a.first_step;
  return {(reads ? 12 : 8) * n, (a.momentum_buffer ? 8 : 4) * n + (a.shadow ? sizeof(T) * n : 0), 5 * n};
}
template <class T>
Cost cost(const kernels::SumOfSquares<T>& a) { return {4.0 * static_cast<double>(a.count), 8, 2.0 * static_cast<double>(a.count)}; }
template <class T>
Cost cost(const kernels::FindNonfinite<T>& a) { return {4.0 * static_cast<double>(a.count), 8, static_cast<double>(a.count)}; }
template <class T>
Cost cost(const kernels::Lerp<T>& a) { return {8.0 * static_cast<double>(a.count), 4.0 * static_cast<double>(a.count), 3.0 * static_cast<double>(a.count)}; }
template <class T>
Cost cost(const kernels::PrepareStep<T>& a) { return {4.0 * static_cast<double>(a.count), sizeof(kernels::StepControl), 3.0 * static_cast<double>(a.count)}; }

}  // namespace sepia::bench
