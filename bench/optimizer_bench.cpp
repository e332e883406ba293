// Optimiser kernels on the CPU over simplenet's 16.9 million parameters.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/optimizer.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

constexpr std::int64_t kSimplenetParameters = 16901762;

template <class T>
struct Data {
  explicit Data(std::int64_t n) : count(n), weight(numbers_as<T>(n, 1)), gradient(numbers_as<T>(n, 2)), m(n), v(n) {}
  AdamStep<T> adam() {
    return {.count = count,
            .weight = weight.data(),
            .gradient = gradient.data(),
            .m = m.data(),
            .v = v.data(),
            .lr = 1e-3,
            .beta1 = 0.9,
            .beta2 = 0.999,
            .eps = 1e-8,
            .weight_decay = 0,
            .decoupled = false,
            .step = ++step,
            .gradient_scale = 1,
            .shadow = nullptr};
  }
  SgdStep<T> sgd() {
    return {.count = count,
            .weight = weight.data(),
            .gradient = gradient.data(),
            .momentum_buffer = m.data(),
            .lr = 1e-2,
            .momentum = 0.9,
            .weight_decay = 1e-4,
            .nesterov = false,
            .first_step = false,
            .gradient_scale = 1,
            .shadow = nullptr};
  }
  SumOfSquares<T> squares() { return {count, gradient.data(), &sum}; }
  FindNonfinite<T> nonfinite() { return {count, gradient.data(), &place}; }
  PrepareStep<T> prepare() {
    control = {.lr = 1e-3, .gradient_scale = 1, .step = 0, .nonfinite = -1, .loss = 0, .norm = 0};
    return {count, gradient.data(), weight.data(), 1, &control};
  }
  Lerp<T> lerp() { return {count, gradient.data(), weight.data(), 0.1}; }

  std::int64_t count, step = 0, place = 0;
  std::vector<T> weight, gradient, m, v;
  double sum = 0;
  StepControl control{};
};

/// Floats for one parameter.
using Kernel = MemoryKernel<Data>;

const Kernel kKernels[] = {
    {"adam_step", 7, [](Data<float>& d) { cpu::adam_step({}, d.adam()); },
     [](Data<double>& d) { reference::adam_step<double>({}, d.adam()); }},
    {"sgd_step", 5, [](Data<float>& d) { cpu::sgd_step({}, d.sgd()); }, [](Data<double>& d) { reference::sgd_step<double>({}, d.sgd()); }},
    {"lerp", 3, [](Data<float>& d) { cpu::lerp({}, d.lerp()); }, [](Data<double>& d) { reference::lerp<double>({}, d.lerp()); }},
    {"sum_of_squares", 1, [](Data<float>& d) { cpu::sum_of_squares({}, d.squares()); },
     [](Data<double>& d) { reference::sum_of_squares<double>({}, d.squares()); }},
    {"find_nonfinite", 1, [](Data<float>& d) { cpu::find_nonfinite({}, d.nonfinite()); },
     [](Data<double>& d) { reference::find_nonfinite<double>({}, d.nonfinite()); }},
    {"prepare_step", 1, [](Data<float>& d) { cpu::prepare_step({}, d.prepare()); },
     [](Data<double>& d) { reference::prepare_step<double>({}, d.prepare()); }},
};

void bench_kernel(benchmark::State& state, const Kernel& kernel) {
  Data<float> small(100003);
  Data<double> exact(100003);
  kernel.fast(small);
  kernel.exact(exact);
  const bool same = agree(small.weight, exact.weight, 1) && agree(small.m, exact.m, 1) && agree(small.v, exact.v, 1) &&
                    std::abs(small.sum - exact.sum) <= 1e-9 * exact.sum && small.place == exact.place &&
                    std::abs(small.control.norm - exact.control.norm) <= 1e-9 * exact.control.norm && small.control.step == exact.control.step;
  if (!same) return state.SkipWithError(kDiffers);
  Data<float> data(kSimplenetParameters);
  time_memory_kernel(state, 4 * kernel.floats * static_cast<double>(kSimplenetParameters), [&] { kernel.fast(data); });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  for (const Kernel& kernel : kKernels) {
    register_kernel(std::string("optimizer/simplenet/") + kernel.name, [&kernel](benchmark::State& state) { bench_kernel(state, kernel); });
  }
  return run_benchmarks(argc, argv);
}
