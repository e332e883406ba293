// Separable convolutions in a chain with the addition behind it, beside the same kernel after kernel: a block of xception's middle part and
// edgenet's second and third, as they are for inference, with weights held.
#include "bench/memory_support.h"
#include "kernels/backend.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/depthwise_conv.h"
#include "kernels/reference/elementwise.h"
#include "kernels/reference/linear.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  DepthwiseConvShape shape;  ///< of the first convolution
  std::int64_t features[4];  ///< that each convolution gives, a zero behind the last
  bool residual;
};

constexpr Layer kLayers[] = {
    {"xception.middle, 1 picture", {1, 16, 16, 728, 3, 3, 1, 1}, {728, 728, 728}, true},
    {"xception.middle, 32 pictures", {32, 16, 16, 728, 3, 3, 1, 1}, {728, 728, 728}, true},
    {"edgenet.blocks.1-2, 1 picture", {1, 64, 64, 64, 3, 3, 2, 1}, {128, 256}, false},
};

template <class T>
struct Data {
  Data(DepthwiseConvShape s, const Layer& layer) {
    x = numbers_as<T>(s.batch * s.height * s.width * s.channels, 1);
    const T* input = x.data();
    std::uint64_t seed = 2;
    for (const std::int64_t* out = layer.features; *out > 0; ++out) {
      depthwise.push_back(numbers_as<T>(9 * s.channels, seed++));
      pointwise.push_back(numbers_as<T>(*out * s.channels, seed++));
      outputs.emplace_back(static_cast<std::size_t>(s.batch * s.out_height() * s.out_width() * *out));
      stages.push_back({s, *out, input, {}, depthwise.back().data(), nullptr, pointwise.back().data(), nullptr, outputs.back().data()});
      stages.back().prologue.relu = true;
      input = outputs.back().data();
      s = {s.batch, s.out_height(), s.out_width(), *out, 3, 3, s.stride, 1};
    }
    if (layer.residual) residual = x.data();
  }
  SeparableChainForward<T> chain() const { return {stages.data(), static_cast<std::int64_t>(stages.size()), {}, residual, {}}; }
  AddForward<T> sum() const {
    const SeparableConvForward<T>& last = stages.back();
    return {static_cast<std::int64_t>(outputs.back().size()) / last.out_features, last.out_features, last.y, {}, residual, {}, last.y};
  }

  std::vector<T> x;
  std::vector<std::vector<T>> depthwise, pointwise, outputs;
  std::vector<SeparableConvForward<T>> stages;
  const T* residual = nullptr;
};

/// One picture against the reference's kernels.
bool correct(const Layer& layer) {
  DepthwiseConvShape s = layer.shape;
  s.batch = 1;
  const Data<float> fast(s, layer);
  const Data<double> exact(s, layer);
  cpu::separable_chain_forward({}, fast.chain());
  std::int64_t terms = 1;
  for (const auto& stage : exact.stages) {
    const DepthwiseConvShape& shape = stage.shape;
    const std::int64_t rows = shape.out_height() * shape.out_width();
    std::vector<double> between(static_cast<std::size_t>(rows * shape.channels));
    reference::depthwise_conv_forward<double>({}, {shape, stage.x, stage.prologue, stage.depthwise_weight, nullptr, between.data()});
    reference::linear_forward<double>({}, {{rows, shape.channels, stage.out_features}, between.data(), {}, stage.pointwise_weight, nullptr, stage.y});
    terms *= 9 * shape.channels;
  }
  if (exact.residual) reference::add_forward<double>({}, exact.sum());
  return agree(fast.outputs.back(), exact.outputs.back(), terms);
}

void bench_layer(benchmark::State& state, const Layer& layer, bool fused) {
  cpu_backend().hold_weights();
  if (!correct(layer)) {
    cpu_backend().release_weights();
    return state.SkipWithError(kDiffers);
  }
  const Data<float> data(layer.shape, layer);
  double flops = 0;
  for (const auto& stage : data.stages) {
    const DepthwiseConvShape& s = stage.shape;
    flops += static_cast<double>(s.batch * s.out_height() * s.out_width() * s.channels) * (18 + 2 * static_cast<double>(stage.out_features));
  }
  time_kernel(state, flops, static_cast<int>(state.range(0)), [&] {
    if (fused) return cpu::separable_chain_forward({}, data.chain());
    for (const auto& stage : data.stages) cpu::separable_conv_forward({}, stage);
    if (data.residual) cpu::add_forward({}, data.sum());
  });
  cpu_backend().release_weights();
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  register_layers("separable_chain", kLayers, "fused", "one after the other", bench_layer);
  return run_benchmarks(argc, argv);
}
