// Depthwise and pointwise convolution in one kernel on the CPU, beside the two one after the other, and the same for the way back: layers of
// edgenet (stride 2) and xception, with the prologue that they have there.
#include "bench/memory_support.h"
#include "kernels/batch_norm.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/batch_norm.h"
#include "kernels/reference/depthwise_conv.h"
#include "kernels/reference/linear.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  DepthwiseConvShape shape;
  std::int64_t out_features;
};

constexpr Layer kLayers[] = {
    {"edgenet.blocks.0", {32, 128, 128, 32, 3, 3, 2, 1}, 64},      {"edgenet.blocks.2", {32, 32, 32, 128, 3, 3, 2, 1}, 256},
    {"xception.block1.1", {32, 123, 123, 128, 3, 3, 1, 1}, 128},   {"xception.middle", {32, 16, 16, 728, 3, 3, 1, 1}, 728},
    {"xception.middle, 1 picture", {1, 16, 16, 728, 3, 3, 1, 1}, 728}, {"xception.conv4", {32, 8, 8, 1536, 3, 3, 1, 1}, 2048},
};

template <class T>
struct Data {
  Data(const DepthwiseConvShape& s, std::int64_t outputs)
      : shape(s),
        out_features(outputs),
        x(numbers_as<T>(s.batch * s.height * s.width * s.channels, 1)),
        depthwise(numbers_as<T>(s.kernel_h * s.kernel_w * s.channels, 2)),
        pointwise(numbers_as<T>(outputs * s.channels, 3)),
        bias(numbers_as<T>(outputs, 4)),
        between(static_cast<std::size_t>(rows() * s.channels)),
        y(static_cast<std::size_t>(rows() * outputs)),
        grad_y(numbers_as<T>(rows() * outputs, 5)),
        mean(numbers_as<T>(s.channels, 6)),
        inv_std(mean),
        grad_x(x.size()),
        grad_between(between.size()),
        grad_depthwise(depthwise.size()),
        grad_pointwise(pointwise.size()),
        sum_g(mean.size()),
        sum_g_xhat(mean.size()) {
    prologue.relu = true;
  }
  std::int64_t rows() const { return shape.batch * shape.out_height() * shape.out_width(); }
  SeparableConvForward<T> fused() { return {shape, out_features, x.data(), prologue, depthwise.data(), nullptr, pointwise.data(), bias.data(), y.data()}; }
  DepthwiseConvForward<T> first() { return {shape, x.data(), prologue, depthwise.data(), nullptr, between.data()}; }
  LinearForward<T> second() { return {{rows(), shape.channels, out_features}, between.data(), {}, pointwise.data(), bias.data(), y.data()}; }

  SeparableConvBackwardWeight<T> weight_fused() {
    return {shape, out_features, x.data(), prologue, depthwise.data(), nullptr, grad_y.data(), grad_pointwise.data(), nullptr, Accumulate::kWrite};
  }
  SeparableConvBackwardInput<T> input_fused() { return {out_features, grad_y.data(), pointwise.data(), depthwise_backward_sums(nullptr)}; }
  LinearBackwardWeight<T> second_weight() {
    return {{rows(), shape.channels, out_features}, between.data(), {}, grad_y.data(), grad_pointwise.data(), nullptr, Accumulate::kWrite};
  }
  LinearBackwardInput<T> second_input() {
    return {{rows(), shape.channels, out_features}, grad_y.data(), pointwise.data(), nullptr, {}, grad_between.data(), Accumulate::kWrite};
  }
  DepthwiseConvBackward<T> first_backward(const T* grad) {
    return {shape, x.data(), prologue, depthwise.data(), grad, grad_x.data(), Accumulate::kWrite, grad_depthwise.data(), nullptr, Accumulate::kWrite};
  }
  DepthwiseConvBackwardSums<T> depthwise_backward_sums(const T* grad) {
    return {first_backward(grad), mean.data(), inv_std.data(), sum_g.data(), sum_g_xhat.data()};
  }
  BatchNormBackwardSums<T> norm_sums() {
    return {{shape.batch * shape.height * shape.width, shape.channels}, x.data(), grad_x.data(), mean.data(), inv_std.data(), sum_g.data(), sum_g_xhat.data()};
  }

  DepthwiseConvShape shape;
  std::int64_t out_features;
  std::vector<T> x, depthwise, pointwise, bias, between, y;
  std::vector<T> grad_y, mean, inv_std, grad_x, grad_between, grad_depthwise, grad_pointwise, sum_g, sum_g_xhat;
  Prologue<T> prologue;
};

/// One picture against the reference's two halves.
bool correct(const Layer& layer) {
  DepthwiseConvShape s = layer.shape;
  s.batch = 1;
  Data<float> fast(s, layer.out_features);
  Data<double> exact(s, layer.out_features);
  cpu::separable_conv_forward({}, fast.fused());
  reference::depthwise_conv_forward<double>({}, exact.first());
  reference::linear_forward<double>({}, exact.second());
  return agree(fast.y, exact.y, 9 * s.channels);
}

/// The way back of eight pictures, the fewest that the fused kernel takes one by one, against the reference's kernels.
bool backward_correct(const Layer& layer) {
  DepthwiseConvShape s = layer.shape;
  s.batch = 8;
  s.height = std::min<std::int64_t>(s.height, 16);
  Data<float> fast(s, layer.out_features), sums(s, layer.out_features);
  Data<double> exact(s, layer.out_features);
  cpu::separable_conv_backward_weight({}, fast.weight_fused());
  cpu::separable_conv_backward_input({}, fast.input_fused());
  reference::depthwise_conv_forward<double>({}, exact.first());
  reference::linear_backward_weight<double>({}, exact.second_weight());
  reference::linear_backward_input<double>({}, exact.second_input());
  reference::depthwise_conv_backward<double>({}, exact.first_backward(exact.grad_between.data()));
  reference::batch_norm_backward_sums<double>({}, exact.norm_sums());
  sums.grad_between.assign(exact.grad_between.begin(), exact.grad_between.end());
  cpu::depthwise_conv_backward_sums({}, sums.depthwise_backward_sums(sums.grad_between.data()));
  const std::int64_t terms = 9 * layer.out_features, sum_terms = s.batch * s.height * s.width * terms;
  return agree(fast.grad_pointwise, exact.grad_pointwise, 9 * fast.rows()) && agree(fast.grad_x, exact.grad_x, terms) &&
         agree(fast.grad_depthwise, exact.grad_depthwise, sum_terms) && agree(fast.sum_g, exact.sum_g, sum_terms) &&
         agree(fast.sum_g_xhat, exact.sum_g_xhat, sum_terms) && agree(sums.grad_x, exact.grad_x, terms) && agree(sums.sum_g_xhat, exact.sum_g_xhat, sum_terms);
}

void bench_layer(benchmark::State& state, const Layer& layer, bool fused) {
  if (!correct(layer)) return state.SkipWithError(kDiffers);
  Data<float> data(layer.shape, layer.out_features);
  const auto channels = static_cast<double>(layer.shape.channels);
  const double flops = static_cast<double>(data.rows()) * channels * (18 + 2 * static_cast<double>(layer.out_features));
  time_kernel(state, flops, static_cast<int>(state.range(0)), [&] {
    if (fused) return cpu::separable_conv_forward({}, data.fused());
    cpu::depthwise_conv_forward({}, data.first());
    cpu::linear_forward({}, data.second());
  });
}

void bench_backward(benchmark::State& state, const Layer& layer, bool fused) {
  if (!backward_correct(layer)) return state.SkipWithError(kDiffers);
  Data<float> data(layer.shape, layer.out_features);
  const auto channels = static_cast<double>(layer.shape.channels);
  const double flops = static_cast<double>(data.rows()) * channels * (54 + 4 * static_cast<double>(layer.out_features));
  time_kernel(state, flops, static_cast<int>(state.range(0)), [&] {
    if (fused) {
      cpu::separable_conv_backward_weight({}, data.weight_fused());
      return cpu::separable_conv_backward_input({}, data.input_fused());
    }
    cpu::depthwise_conv_forward({}, data.first());
    cpu::linear_backward_weight({}, data.second_weight());
    cpu::linear_backward_input({}, data.second_input());
    cpu::depthwise_conv_backward({}, data.first_backward(data.grad_between.data()));
    cpu::batch_norm_backward_sums({}, data.norm_sums());
  });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  register_layers("separable_conv", kLayers, "fused", "one after the other", bench_layer);
  register_layers("separable_conv_backward", kLayers, "fused", "one after the other", bench_backward);
  return run_benchmarks(argc, argv);
}
