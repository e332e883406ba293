// Linear map of rows on the CPU: pointwise convolutions of edgenet and xception, fully connected layers of simplenet.
#include <string>

#include "bench/bench_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/linear.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  LinearShape shape;
};

constexpr Layer kLayers[] = {
    {"edgenet.blocks.0.pointwise", {131072, 32, 64}}, {"edgenet.blocks.1.pointwise", {32768, 64, 128}},
    {"edgenet.blocks.2.pointwise", {8192, 128, 256}}, {"xception.middle.pointwise", {8192, 728, 728}},
    {"xception.conv4.pointwise", {2048, 1536, 2048}}, {"simplenet.fc1", {32, 16224, 1024}},
    {"simplenet.fc1.one_picture", {1, 16224, 1024}},  {"simplenet.fc2", {32, 1024, 256}},
};

enum class Direction { kForward, kBackwardInput, kBackwardWeight };

struct Data {
  explicit Data(const LinearShape& s)
      : x(numbers(s.rows * s.in_features, 1)),
        weight(numbers(s.out_features * s.in_features, 2)),
        bias(numbers(s.out_features, 3)),
        grad_y(numbers(s.rows * s.out_features, 4)),
        y(grad_y.size()),
        grad_x(x.size()),
        grad_weight(weight.size()),
        grad_bias(bias.size()) {}

  std::vector<float> x, weight, bias, grad_y, y, grad_x, grad_weight, grad_bias;
};

void run(const LinearShape& s, Direction direction, Data& d) {
  switch (direction) {
    case Direction::kForward:
      return cpu::linear_forward({}, {s, d.x.data(), {}, d.weight.data(), d.bias.data(), d.y.data()});
    case Direction::kBackwardInput:
      return cpu::linear_backward_input({}, {s, d.grad_y.data(), d.weight.data(), d.x.data(), {}, d.grad_x.data(), Accumulate::kWrite});
    case Direction::kBackwardWeight:
      return cpu::linear_backward_weight(
          {}, {s, d.x.data(), {}, d.grad_y.data(), d.grad_weight.data(), d.grad_bias.data(), Accumulate::kWrite});
  }
}

// At most 1100 rows (more than few, see linear.cpp) against the reference.
bool correct(LinearShape s, Direction direction) {
  s.rows = std::min<std::int64_t>(s.rows, 1100);
  Data d(s);
  run(s, direction, d);
  const auto x = as_double(d.x), weight = as_double(d.weight), bias = as_double(d.bias), grad_y = as_double(d.grad_y);
  std::vector<double> y(d.y.size()), grad_x(x.size()), grad_weight(weight.size()), grad_bias(bias.size());
  switch (direction) {
    case Direction::kForward:
      reference::linear_forward<double>({}, {s, x.data(), {}, weight.data(), bias.data(), y.data()});
      return agree(d.y, y, s.in_features);
    case Direction::kBackwardInput:
      reference::linear_backward_input<double>({}, {s, grad_y.data(), weight.data(), x.data(), {}, grad_x.data(), Accumulate::kWrite});
      return agree(d.grad_x, grad_x, s.out_features);
    case Direction::kBackwardWeight:
      reference::linear_backward_weight<double>({},
                                                {s, x.data(), {}, grad_y.data(), grad_weight.data(), grad_bias.data(), Accumulate::kWrite});
      return agree(d.grad_weight, grad_weight, s.rows) && agree(d.grad_bias, grad_bias, s.rows);
  }
  return false;
}

void bench_layer(benchmark::State& state, const Layer& layer, Direction direction) {
  const LinearShape& s = layer.shape;
  if (!correct(s, direction)) return state.SkipWithError("the result differs from the reference kernel");
  Data data(s);
  time_kernel(state, 2.0 * static_cast<double>(s.rows * s.in_features * s.out_features), static_cast<int>(state.range(0)),
              [&] { run(s, direction, data); });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  for (const Layer& layer : kLayers) {
    for (const auto& [name, direction] : {std::pair{"forward", Direction::kForward}, std::pair{"backward_input", Direction::kBackwardInput},
                                          std::pair{"backward_weight", Direction::kBackwardWeight}}) {
      const std::string label = std::string("linear/") + layer.name + "/" + name;
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
