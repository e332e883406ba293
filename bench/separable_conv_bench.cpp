// Depthwise and pointwise convolution in one kernel on the CPU, beside the two one after the other: layers of edgenet (stride 2) and
// xception, with the prologue that they have there.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
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
        y(static_cast<std::size_t>(rows() * outputs)) {
    prologue.relu = true;
  }
  std::int64_t rows() const { return shape.batch * shape.out_height() * shape.out_width(); }
  SeparableConvForward<T> fused() { return {shape, out_features, x.data(), prologue, depthwise.data(), nullptr, pointwise.data(), bias.data(), y.data()}; }
  DepthwiseConvForward<T> first() { return {shape, x.data(), prologue, depthwise.data(), nullptr, between.data()}; }
  LinearForward<T> second() { return {{rows(), shape.channels, out_features}, between.data(), {}, pointwise.data(), bias.data(), y.data()}; }

  DepthwiseConvShape shape;
  std::int64_t out_features;
  std::vector<T> x, depthwise, pointwise, bias, between, y;
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

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  register_layers("separable_conv", kLayers, "fused", "one after the other", bench_layer);
  return run_benchmarks(argc, argv);
}
