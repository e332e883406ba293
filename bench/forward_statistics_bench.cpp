// Layers in front of a batch norm on the CPU: the output and its statistics in one kernel, beside the kernel and then a pass over what it
// wrote.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/batch_norm.h"
#include "kernels/reference/conv2d.h"
#include "kernels/reference/depthwise_conv.h"
#include "kernels/reference/linear.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct LinearLayer {
  const char* name;
  LinearShape shape;
};
constexpr LinearLayer kLinear[] = {
    {"edgenet.blocks.0.pointwise", {131072, 32, 64}},
    {"edgenet.blocks.1.pointwise", {32768, 64, 128}},
    {"edgenet.blocks.2.pointwise", {8192, 128, 256}},
};

struct ConvolutionLayer {
  const char* name;
  Conv2dShape shape;
};
constexpr ConvolutionLayer kConvolutions[] = {
    {"xception.conv1", {8, 256, 256, 3, 32, 3, 3, 2, 0}},
    {"xception.conv2", {8, 127, 127, 32, 64, 3, 3, 1, 0}},
    {"xception.block2.skip", {8, 63, 63, 128, 256, 1, 1, 2, 0}},
};

struct SeparableLayer {
  const char* name;
  DepthwiseConvShape shape;
  std::int64_t out_features;
};
constexpr SeparableLayer kSeparable[] = {
    {"xception.block1.1", {8, 123, 123, 128, 3, 3, 1, 1}, 128},
    {"xception.middle", {32, 16, 16, 728, 3, 3, 1, 1}, 728},
    {"xception.conv4", {32, 8, 8, 1536, 3, 3, 1, 1}, 2048},
};

/// Some thousand rows, or one picture, to be compared with the reference.
LinearLayer smaller(LinearLayer layer) {
  layer.shape.rows = 3000;
  return layer;
}
template <class Layer>
Layer smaller(Layer layer) {
  layer.shape.batch = 1;
  return layer;
}

/// The output of `rows` x `channels` and where its statistics go.
template <class T>
struct Output {
  Output(std::int64_t row_count, std::int64_t channel_count)
      : rows(row_count),
        channels(channel_count),
        y(static_cast<std::size_t>(rows * channels)),
        mean(static_cast<std::size_t>(channels)),
        variance(mean),
        unbiased(mean) {}
  BatchStatistics<T> places() { return {mean.data(), variance.data(), unbiased.data()}; }
  BatchNormStatistics<T> pass() { return {{rows, channels}, y.data(), mean.data(), variance.data(), unbiased.data()}; }

  std::int64_t rows, channels;
  std::vector<T> y, mean, variance, unbiased;
};

template <class T>
struct Linear {
  using Layer = LinearLayer;
  explicit Linear(const Layer& layer)
      : shape(layer.shape),
        x(numbers_as<T>(shape.rows * shape.in_features, 1)),
        weight(numbers_as<T>(shape.out_features * shape.in_features, 2)),
        out(shape.rows, shape.out_features) {}
  LinearForward<T> forward() { return {shape, x.data(), {}, weight.data(), nullptr, out.y.data()}; }
  void fused() { cpu::linear_forward_statistics({}, {forward(), out.places()}); }
  void plain() { cpu::linear_forward({}, forward()); }
  void exact() { reference::linear_forward<double>({}, forward()); }
  std::int64_t terms() const { return shape.in_features; }
  double flops() const { return 2 * static_cast<double>(out.rows * out.channels * terms()); }

  LinearShape shape;
  std::vector<T> x, weight;
  Output<T> out;
};

template <class T>
struct Convolution {
  using Layer = ConvolutionLayer;
  explicit Convolution(const Layer& layer)
      : shape(layer.shape),
        x(numbers_as<T>(shape.batch * shape.height * shape.width * shape.in_channels, 1)),
        weight(numbers_as<T>(shape.out_channels * terms(), 2)),
        out(shape.batch * shape.out_height() * shape.out_width(), shape.out_channels) {}
  Conv2dForward<T> forward() { return {shape, x.data(), {}, weight.data(), nullptr, out.y.data()}; }
  void fused() { cpu::conv2d_forward_statistics({}, {forward(), out.places()}); }
  void plain() { cpu::conv2d_forward({}, forward()); }
  void exact() { reference::conv2d_forward<double>({}, forward()); }
  std::int64_t terms() const { return shape.kernel_h * shape.kernel_w * shape.in_channels; }
  double flops() const { return 2 * static_cast<double>(out.rows * out.channels * terms()); }

  Conv2dShape shape;
  std::vector<T> x, weight;
  Output<T> out;
};

template <class T>
struct Separable {
  using Layer = SeparableLayer;
  explicit Separable(const Layer& layer)
      : shape(layer.shape),
        out_features(layer.out_features),
        x(numbers_as<T>(shape.batch * shape.height * shape.width * shape.channels, 1)),
        depthwise(numbers_as<T>(shape.kernel_h * shape.kernel_w * shape.channels, 2)),
        pointwise(numbers_as<T>(out_features * shape.channels, 3)),
        out(shape.batch * shape.out_height() * shape.out_width(), out_features) {}
  SeparableConvForward<T> forward() {
    return {shape, out_features, x.data(), {.relu = true}, depthwise.data(), nullptr, pointwise.data(), nullptr, out.y.data()};
  }
  void fused() { cpu::separable_conv_forward_statistics({}, {forward(), out.places()}); }
  void plain() { cpu::separable_conv_forward({}, forward()); }
  void exact() {
    std::vector<double> between(static_cast<std::size_t>(out.rows * shape.channels));
    reference::depthwise_conv_forward<double>({}, {shape, x.data(), {.relu = true}, depthwise.data(), nullptr, between.data()});
    reference::linear_forward<double>(
        {}, {{out.rows, shape.channels, out_features}, between.data(), {}, pointwise.data(), nullptr, out.y.data()});
  }
  std::int64_t terms() const { return 9 * shape.channels; }
  double flops() const { return static_cast<double>(out.rows * shape.channels * (18 + 2 * out_features)); }

  DepthwiseConvShape shape;
  std::int64_t out_features;
  std::vector<T> x, depthwise, pointwise;
  Output<T> out;
};

template <template <class> class Work>
bool correct(const typename Work<float>::Layer& layer) {
  Work<float> fast(smaller(layer));
  Work<double> exact(smaller(layer));
  fast.fused();
  exact.exact();
  reference::batch_norm_statistics<double>({}, exact.out.pass());
  const std::int64_t terms = exact.terms();
  return agree(fast.out.y, exact.out.y, terms) && agree(fast.out.mean, exact.out.mean, terms) &&
         agree(fast.out.variance, exact.out.variance, terms) && agree(fast.out.unbiased, exact.out.unbiased, terms);
}

template <template <class> class Work>
void bench_layer(benchmark::State& state, const typename Work<float>::Layer& layer, bool fused) {
  if (!correct<Work>(layer)) return state.SkipWithError(kDiffers);
  Work<float> work(layer);
  time_kernel(state, work.flops(), static_cast<int>(state.range(0)), [&] {
    if (fused) return work.fused();
    work.plain();
    cpu::batch_norm_statistics({}, work.out.pass());
  });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  register_layers("linear_statistics", kLinear, "fused", "one after the other", bench_layer<Linear>);
  register_layers("conv2d_statistics", kConvolutions, "fused", "one after the other", bench_layer<Convolution>);
  register_layers("separable_conv_statistics", kSeparable, "fused", "one after the other", bench_layer<Separable>);
  return run_benchmarks(argc, argv);
}
