// Dense convolution on the CPU over the layers of the three networks: forward, backward to the input, backward to the weights; the first
// layers of pictures as numbers and in bytes.
#include <array>
#include <string>

#include "bench/bench_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/conv2d.h"
#include "kernels/reference/elementwise.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  Conv2dShape shape;
  bool in_bytes = false;
};

constexpr Layer kLayers[] = {
    {"simplenet.conv1", {32, 256, 256, 3, 6, 7, 7, 1, 0}},
    {"simplenet.conv2", {32, 125, 125, 6, 16, 7, 7, 1, 0}},
    {"simplenet.conv3", {32, 59, 59, 16, 24, 7, 7, 1, 0}},
    {"edgenet.stem", {32, 256, 256, 3, 32, 3, 3, 2, 1}},
    {"xception.conv1", {8, 256, 256, 3, 32, 3, 3, 2, 0}},
    {"xception.conv2", {8, 127, 127, 32, 64, 3, 3, 1, 0}},
    {"xception.block2.skip", {8, 63, 63, 128, 256, 1, 1, 2, 0}},
    {"simplenet.conv1 of bytes", {32, 256, 256, 3, 6, 7, 7, 1, 0}, true},
    {"edgenet.stem of bytes", {32, 256, 256, 3, 32, 3, 3, 2, 1}, true},
};

enum class Direction { kForward, kBackwardInput, kBackwardWeight };

struct Data {
  Data(const Conv2dShape& s, bool in_bytes)
      : x(numbers(s.batch * s.height * s.width * s.in_channels, 1)),
        weight(numbers(s.out_channels * s.kernel_h * s.kernel_w * s.in_channels, 2)),
        bias(numbers(s.out_channels, 3)),
        grad_y(numbers(s.batch * s.out_height() * s.out_width() * s.out_channels, 4)),
        y(grad_y.size()),
        grad_x(x.size()),
        grad_weight(weight.size()),
        grad_bias(bias.size()) {
    if (!in_bytes) return;
    for (const float number : x) bytes.push_back(static_cast<std::uint8_t>(128 + 127 * number));
    reference::images_to_input<float>({}, {s.batch, s.height, s.width, bytes.data(), kMean, kStd, x.data()});
  }
  const float* numbers_or_null() const { return bytes.empty() ? x.data() : nullptr; }
  Pixels pixels() const { return bytes.empty() ? Pixels{} : Pixels{bytes.data(), kMean, kStd}; }

  static constexpr std::array<double, 3> kMean{0.5, 0.5, 0.5}, kStd{0.5, 0.5, 0.5};  // numbers below one, as agree() has them
  std::vector<std::uint8_t> bytes;  ///< what x was made of, if anything; the kernels then read it instead
  std::vector<float> x, weight, bias, grad_y, y, grad_x, grad_weight, grad_bias;
};

void run(const Conv2dShape& s, Direction direction, Data& d) {
  switch (direction) {
    case Direction::kForward:
      return cpu::conv2d_forward({}, {s, d.numbers_or_null(), {}, d.weight.data(), d.bias.data(), d.y.data(), d.pixels()});
    case Direction::kBackwardInput:
      return cpu::conv2d_backward_input({}, {s, d.grad_y.data(), d.weight.data(), d.x.data(), {}, d.grad_x.data(), Accumulate::kWrite});
    case Direction::kBackwardWeight:
      return cpu::conv2d_backward_weight(
          {}, {s, d.numbers_or_null(), {}, d.grad_y.data(), d.grad_weight.data(), d.grad_bias.data(), Accumulate::kWrite, d.pixels()});
  }
}

// One picture against the reference; the benchmark itself has a full batch.
bool correct(Conv2dShape s, bool in_bytes, Direction direction) {
  s.batch = 1;
  Data d(s, in_bytes);
  run(s, direction, d);
  const auto x = as_double(d.x), weight = as_double(d.weight), bias = as_double(d.bias), grad_y = as_double(d.grad_y);
  std::vector<double> y(d.y.size()), grad_x(x.size()), grad_weight(weight.size()), grad_bias(bias.size());
  switch (direction) {
    case Direction::kForward:
      reference::conv2d_forward<double>({}, {s, x.data(), {}, weight.data(), bias.data(), y.data()});
      return agree(d.y, y, s.kernel_h * s.kernel_w * s.in_channels);
    case Direction::kBackwardInput:
      reference::conv2d_backward_input<double>({}, {s, grad_y.data(), weight.data(), x.data(), {}, grad_x.data(), Accumulate::kWrite});
      return agree(d.grad_x, grad_x, s.kernel_h * s.kernel_w * s.out_channels);
    case Direction::kBackwardWeight:
      reference::conv2d_backward_weight<double>({},
                                                {s, x.data(), {}, grad_y.data(), grad_weight.data(), grad_bias.data(), Accumulate::kWrite});
      return agree(d.grad_weight, grad_weight, 2 * s.out_height() * s.out_width());  // twice: the worst of many sums
  }
  return false;
}

void bench_layer(benchmark::State& state, const Layer& layer, Direction direction) {
  const Conv2dShape& s = layer.shape;
  if (!correct(s, layer.in_bytes, direction)) return state.SkipWithError("the result differs from the reference kernel");
  Data data(s, layer.in_bytes);
  const double flop =
      2.0 * static_cast<double>(s.batch * s.out_height() * s.out_width() * s.out_channels * s.in_channels * s.kernel_h * s.kernel_w);
  time_kernel(state, flop, static_cast<int>(state.range(0)), [&] { run(s, direction, data); });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  for (const Layer& layer : kLayers) {
    for (const auto& [name, direction] : {std::pair{"forward", Direction::kForward}, std::pair{"backward_input", Direction::kBackwardInput},
                                          std::pair{"backward_weight", Direction::kBackwardWeight}}) {
      if (layer.in_bytes && direction == Direction::kBackwardInput) continue;
      const std::string label = std::string("conv2d/") + layer.name + "/" + name;
      for (const int threads : {1, 2}) {
        auto* registered = benchmark::RegisterBenchmark(
            label.c_str(), [&layer, direction = direction](benchmark::State& state) { bench_layer(state, layer, direction); });
        registered->Unit(benchmark::kMillisecond)->ArgName("threads")->Arg(threads);
        if (threads > 1) registered->UseRealTime();
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
