// Batch normalisation on the CPU: layers of edgenet and xception, a batch of 32.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/batch_norm.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  BatchNormShape shape;
};

constexpr Layer kLayers[] = {
    {"edgenet.blocks.0.bn", {32 * 64 * 64, 64}}, {"edgenet.blocks.1.bn", {32 * 32 * 32, 128}}, {"edgenet.blocks.2.bn", {32 * 16 * 16, 256}},
    {"xception.bn1", {32 * 127 * 127, 32}},      {"xception.middle", {32 * 16 * 16, 728}},
};

template <class T>
struct Data {
  explicit Data(const BatchNormShape& s)
      : shape(s),
        x(values(s.rows * s.channels, 1)),
        grad_y(values(s.rows * s.channels, 2)),
        gamma(values(s.channels, 3)),
        beta(values(s.channels, 4)),
        mean(gamma.size()),
        variance(gamma.size()),
        unbiased(gamma.size()),
        scale(gamma.size()),
        shift(gamma.size()),
        inv_std(gamma.size()),
        sum_g(gamma.size()),
        sum_g_xhat(gamma.size()),
        grad_x(x.size()) {}
  static std::vector<T> values(std::int64_t count, std::uint32_t array) {
    const std::vector<float> some = numbers(count, array);
    return {some.begin(), some.end()};
  }
  BatchNormStatistics<T> statistics() { return {shape, x.data(), mean.data(), variance.data(), unbiased.data()}; }
  BatchNormAffine<T> affine() {
    return {shape.channels, mean.data(), variance.data(), gamma.data(), beta.data(), 1e-5, scale.data(), shift.data(), inv_std.data()};
  }
  BatchNormBackwardSums<T> sums() { return {shape, x.data(), grad_y.data(), mean.data(), inv_std.data(), sum_g.data(), sum_g_xhat.data()}; }
  BatchNormBackwardInput<T> input() {
    return {shape,        x.data(),     grad_y.data(),     mean.data(),   inv_std.data(),
            scale.data(), sum_g.data(), sum_g_xhat.data(), grad_x.data(), Accumulate::kWrite};
  }

  BatchNormShape shape;
  std::vector<T> x, grad_y, gamma, beta, mean, variance, unbiased, scale, shift, inv_std, sum_g, sum_g_xhat, grad_x;
};

/// Some thousand rows against the reference.
bool correct(BatchNormShape s) {
  s.rows = std::min<std::int64_t>(s.rows, 5000);
  Data<float> fast(s);
  Data<double> exact(s);
  cpu::batch_norm_statistics({}, fast.statistics());
  cpu::batch_norm_affine({}, fast.affine());
  cpu::batch_norm_backward_sums({}, fast.sums());
  cpu::batch_norm_backward_input({}, fast.input());
  reference::batch_norm_statistics<double>({}, exact.statistics());
  reference::batch_norm_affine<double>({}, exact.affine());
  reference::batch_norm_backward_sums<double>({}, exact.sums());
  reference::batch_norm_backward_input<double>({}, exact.input());
  return agree(fast.mean, exact.mean, 1) && agree(fast.variance, exact.variance, 1) && agree(fast.sum_g, exact.sum_g, s.rows) &&
         agree(fast.sum_g_xhat, exact.sum_g_xhat, s.rows) && agree(fast.grad_x, exact.grad_x, 9);
}

enum class Kernel { kStatistics, kBackwardSums, kBackwardInput };

void bench_layer(benchmark::State& state, const Layer& layer, Kernel kernel) {
  if (!correct(layer.shape)) return state.SkipWithError(kDiffers);
  Data<float> data(layer.shape);
  const auto bytes = static_cast<double>(4 * data.x.size());
  switch (kernel) {
    case Kernel::kStatistics:
      return time_memory_kernel(state, bytes, [&] { cpu::batch_norm_statistics({}, data.statistics()); });
    case Kernel::kBackwardSums:
      return time_memory_kernel(state, 2 * bytes, [&] { cpu::batch_norm_backward_sums({}, data.sums()); });
    case Kernel::kBackwardInput:
      return time_memory_kernel(state, 3 * bytes, [&] { cpu::batch_norm_backward_input({}, data.input()); });
  }
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  for (const Layer& layer : kLayers) {
    for (const auto& [name, kernel] : {std::pair{"statistics", Kernel::kStatistics}, std::pair{"backward_sums", Kernel::kBackwardSums},
                                       std::pair{"backward_input", Kernel::kBackwardInput}}) {
      register_kernel(std::string("batch_norm/") + layer.name + "/" + name,
                      [&layer, kernel = kernel](benchmark::State& state) { bench_layer(state, layer, kernel); });
    }
  }
  return run_benchmarks(argc, argv);
}
