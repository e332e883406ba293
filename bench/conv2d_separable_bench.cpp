// The stem, its ReLU and the separable convolution behind it in one kernel on the CPU, beside the three kernels one after the other: the
// beginning of edgenet, of pictures as numbers and in bytes.
#include "kernels/conv2d_separable.h"

#include <array>

#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/conv2d.h"
#include "kernels/reference/depthwise_conv.h"
#include "kernels/reference/elementwise.h"
#include "kernels/reference/linear.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

constexpr Conv2dShape kStem{1, 256, 256, 3, 32, 3, 3, 2, 1};
constexpr std::int64_t kOutFeatures = 64;

struct Layer {
  const char* name;
  std::int64_t batch;
  bool in_bytes;
};

constexpr Layer kLayers[] = {
    {"edgenet, 1 picture", 1, false},
    {"edgenet, 1 picture in bytes", 1, true},
    {"edgenet, 32 pictures", 32, false},
    {"edgenet, 32 pictures in bytes", 32, true},
};

Conv2dShape stem_of(std::int64_t batch) {
  Conv2dShape s = kStem;
  s.batch = batch;
  return s;
}

template <class T>
struct Data {
  explicit Data(std::int64_t batch)
      : stem(stem_of(batch)),
        shape{batch, stem.out_height(), stem.out_width(), stem.out_channels, 3, 3, 2, 1},
        bytes(static_cast<std::size_t>(batch * stem.height * stem.width * stem.in_channels)),
        x(bytes.size()),
        weight(numbers_as<T>(stem.out_channels * stem.kernel_h * stem.kernel_w * stem.in_channels, 2)),
        bias(numbers_as<T>(stem.out_channels, 3)),
        depthwise(numbers_as<T>(shape.kernel_h * shape.kernel_w * shape.channels, 4)),
        depthwise_bias(numbers_as<T>(shape.channels, 5)),
        pointwise(numbers_as<T>(kOutFeatures * shape.channels, 6)),
        pointwise_bias(numbers_as<T>(kOutFeatures, 7)),
        y(static_cast<std::size_t>(rows() * kOutFeatures)) {
    const std::vector<float> noise = numbers(std::ssize(bytes), 1);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(128 + 127 * noise[i]);
    relu.relu = true;
    reference::images_to_input<T>({}, {batch, stem.height, stem.width, bytes.data(), kMean, kStd, x.data()});
  }
  std::int64_t rows() const { return shape.batch * shape.out_height() * shape.out_width(); }

  // One after the other: the stem's output and the depthwise convolution's.
  void have_between() {
    v.resize(static_cast<std::size_t>(shape.batch * shape.height * shape.width * shape.channels));
    u.resize(static_cast<std::size_t>(rows() * shape.channels));
  }
  Conv2dForward<T> first(bool in_bytes) {
    const Pixels pixels = in_bytes ? Pixels{bytes.data(), kMean, kStd} : Pixels{};
    return {stem, in_bytes ? nullptr : x.data(), {}, weight.data(), bias.data(), v.data(), pixels};
  }
  DepthwiseConvForward<T> second() { return {shape, v.data(), relu, depthwise.data(), depthwise_bias.data(), u.data()}; }
  LinearForward<T> third() {
    return {{rows(), shape.channels, kOutFeatures}, u.data(), {}, pointwise.data(), pointwise_bias.data(), y.data()};
  }
  Conv2dSeparableForward<T> fused(bool in_bytes) {
    return {
        first(in_bytes),
        {shape, kOutFeatures, nullptr, relu, depthwise.data(), depthwise_bias.data(), pointwise.data(), pointwise_bias.data(), y.data()}};
  }

  static constexpr std::array<double, 3> kMean{0.4914, 0.4822, 0.4465}, kStd{0.2023, 0.1994, 0.2010};
  Conv2dShape stem;
  DepthwiseConvShape shape;
  std::vector<std::uint8_t> bytes;
  std::vector<T> x, weight, bias, depthwise, depthwise_bias, pointwise, pointwise_bias, y, v, u;
  Prologue<T> relu;
};

/// One picture against the reference's kernels one after the other.
bool correct(bool in_bytes) {
  Data<float> fast(1);
  Data<double> exact(1);
  exact.have_between();
  cpu::conv2d_separable_forward({}, fast.fused(in_bytes));
  reference::conv2d_forward<double>({}, exact.first(false));
  reference::depthwise_conv_forward<double>({}, exact.second());
  reference::linear_forward<double>({}, exact.third());
  return agree(fast.y, exact.y, 27 * 9 * exact.shape.channels);
}

void bench_layer(benchmark::State& state, const Layer& layer, bool fused) {
  if (!correct(layer.in_bytes)) return state.SkipWithError(kDiffers);
  Data<float> data(layer.batch);
  if (!fused) data.have_between();
  const auto stem = static_cast<double>(data.shape.batch * data.shape.height * data.shape.width * data.shape.channels);
  const double flops = stem * 54 + static_cast<double>(data.rows() * data.shape.channels) * (18 + 2 * kOutFeatures);
  time_kernel(state, flops, static_cast<int>(state.range(0)), [&] {
    if (fused) return cpu::conv2d_separable_forward({}, data.fused(layer.in_bytes));
    cpu::conv2d_forward({}, data.first(layer.in_bytes));
    cpu::depthwise_conv_forward({}, data.second());
    cpu::linear_forward({}, data.third());
  });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  register_layers("conv2d_separable", kLayers, "fused", "one after the other", bench_layer);
  return run_benchmarks(argc, argv);
}
