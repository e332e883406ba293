// Pooling on the CPU: the max-pools of simplenet and xception with the ReLU before them, edgenet's global average; a batch of 32.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/pooling.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  MaxPoolShape shape;
};

constexpr Layer kLayers[] = {
    {"simplenet.pool1", {32, 250, 250, 6, 2, 2, 0}}, {"simplenet.pool2", {32, 119, 119, 16, 2, 2, 0}},
    {"simplenet.pool3", {32, 53, 53, 24, 2, 2, 0}},  {"xception.block1", {32, 125, 125, 128, 3, 2, 1}},
    {"xception.block3", {32, 32, 32, 728, 3, 2, 1}},
};

template <class T>
struct MaxPoolData {
  explicit MaxPoolData(const MaxPoolShape& s)
      : shape(s),
        x(values(s.batch * s.height * s.width * s.channels, 1)),
        grad_y(values(s.batch * s.out_height() * s.out_width() * s.channels, 2)),
        y(grad_y.size()),
        grad_x(x.size()),
        index(y.size()) {}
  static std::vector<T> values(std::int64_t count, std::uint32_t array) {
    const std::vector<float> some = numbers(count, array);
    return {some.begin(), some.end()};
  }
  MaxPoolForward<T> forward() { return {shape, x.data(), {.relu = true}, y.data(), index.data()}; }
  MaxPoolBackward<T> backward() { return {shape, grad_y.data(), index.data(), y.data(), true, grad_x.data(), Accumulate::kWrite}; }

  MaxPoolShape shape;
  std::vector<T> x, grad_y, y, grad_x;
  std::vector<std::uint8_t> index;
};

/// One picture against the reference.
bool correct(MaxPoolShape s) {
  s.batch = 1;
  MaxPoolData<float> fast(s);
  MaxPoolData<double> exact(s);
  cpu::max_pool_forward({}, fast.forward());
  cpu::max_pool_backward({}, fast.backward());
  reference::max_pool_forward<double>({}, exact.forward());
  reference::max_pool_backward<double>({}, exact.backward());
  return fast.index == exact.index && agree(fast.y, exact.y, 1) && agree(fast.grad_x, exact.grad_x, 4);
}

void bench_max_pool(benchmark::State& state, const Layer& layer, bool forward) {
  if (!correct(layer.shape)) return state.SkipWithError(kDiffers);
  MaxPoolData<float> data(layer.shape);
  const auto x_bytes = static_cast<double>(4 * data.x.size()), outputs = static_cast<double>(data.y.size());
  if (forward) {
    time_memory_kernel(state, x_bytes + 5 * outputs, [&] { cpu::max_pool_forward({}, data.forward()); });
  } else {
    cpu::max_pool_forward({}, data.forward());
    time_memory_kernel(state, x_bytes + 9 * outputs, [&] { cpu::max_pool_backward({}, data.backward()); });
  }
}

/// edgenet's last layer before the head, its batch norm pending.
void bench_global_avg_pool(benchmark::State& state, bool forward) {
  constexpr std::int64_t kBatch = 32, kPositions = 256, kChannels = 256;
  std::vector<float> x = numbers(kBatch * kPositions * kChannels, 1), scale = numbers(kChannels, 2), shift = numbers(kChannels, 3);
  std::vector<float> y(kBatch * kChannels), grad_y = numbers(kBatch * kChannels, 4), grad_x(x.size());
  const Prologue<float> prologue{scale.data(), shift.data(), true};
  const auto bytes = static_cast<double>(4 * x.size());
  const auto run = [&] { cpu::global_avg_pool_forward({}, {kBatch, kPositions, kChannels, x.data(), prologue, y.data()}); };
  run();
  std::vector<double> xd = as_double(x), scale_d = as_double(scale), shift_d = as_double(shift), yd(y.size());
  reference::global_avg_pool_forward<double>({},
                                             {kBatch, kPositions, kChannels, xd.data(), {scale_d.data(), shift_d.data(), true}, yd.data()});
  if (!agree(y, yd, 1)) return state.SkipWithError(kDiffers);
  if (forward) return time_memory_kernel(state, bytes, run);
  GlobalAvgPoolBackward<float> back{kBatch, kPositions, kChannels, grad_y.data(), x.data(), prologue, grad_x.data(), Accumulate::kWrite};
  std::vector<float> expected(x.size());
  cpu::global_avg_pool_backward({}, back);
  back.grad_x = expected.data();
  reference::global_avg_pool_backward<float>({}, back);  // in float, so that no mask depends on rounding
  back.grad_x = grad_x.data();
  if (!agree(grad_x, as_double(expected), 1)) return state.SkipWithError(kDiffers);
  time_memory_kernel(state, 2 * bytes, [&] { cpu::global_avg_pool_backward({}, back); });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  for (const bool forward : {true, false}) {
    const char* direction = forward ? "/forward" : "/backward";
    for (const Layer& layer : kLayers) {
      register_kernel(std::string("max_pool/") + layer.name + direction,
                      [&layer, forward](benchmark::State& state) { bench_max_pool(state, layer, forward); });
    }
    register_kernel(std::string("global_avg_pool/edgenet") + direction,
                    [forward](benchmark::State& state) { bench_global_avg_pool(state, forward); });
  }
  return run_benchmarks(argc, argv);
}
