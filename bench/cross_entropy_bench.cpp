// Softmax and cross-entropy on the CPU: a detector's two classes and ImageNet's thousand, a batch of 32.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/cross_entropy.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

constexpr std::int64_t kRows = 32;
constexpr double kSmoothing = 0.1;

template <class T>
struct Data {
  explicit Data(std::int64_t classes) : k(classes), x(numbers_as<T>(kRows * k, 1)), grad(numbers_as<T>(kRows * k, 2)), weights(numbers_as<T>(k, 3)), y(x.size()), p(x.size()) {
    for (std::int64_t n = 0; n < kRows; ++n) labels.push_back(static_cast<std::int32_t>(n * 7 % k));
    for (T& weight : weights) weight = weight * weight + 1;  // positive
    reference::softmax_forward<T>({}, {kRows, k, x.data(), p.data()});
  }
  SoftmaxForward<T> softmax() { return {kRows, k, x.data(), y.data()}; }
  SoftmaxBackward<T> softmax_back() { return {kRows, k, p.data(), grad.data(), y.data(), Accumulate::kWrite}; }
  CrossEntropyForward<T> loss() { return {kRows, k, x.data(), labels.data(), weights.data(), kSmoothing, &result, y.data()}; }
  CrossEntropyBackward<T> loss_back() { return {kRows, k, p.data(), labels.data(), weights.data(), kSmoothing, &one, y.data(), Accumulate::kWrite}; }

  std::int64_t k;
  std::vector<T> x, grad, weights, y, p;
  std::vector<std::int32_t> labels;
  T result = 0, one = 1;
};

/// Floats for one logit.
using Kernel = MemoryKernel<Data>;

const Kernel kKernels[] = {
    {"softmax_forward", 2, [](Data<float>& d) { cpu::softmax_forward({}, d.softmax()); },
     [](Data<double>& d) { reference::softmax_forward<double>({}, d.softmax()); }},
    {"softmax_backward", 3, [](Data<float>& d) { cpu::softmax_backward({}, d.softmax_back()); },
     [](Data<double>& d) { reference::softmax_backward<double>({}, d.softmax_back()); }},
    {"cross_entropy_forward", 2, [](Data<float>& d) { cpu::cross_entropy_forward({}, d.loss()); },
     [](Data<double>& d) { reference::cross_entropy_forward<double>({}, d.loss()); }},
    {"cross_entropy_backward", 2, [](Data<float>& d) { cpu::cross_entropy_backward({}, d.loss_back()); },
     [](Data<double>& d) { reference::cross_entropy_backward<double>({}, d.loss_back()); }},
};

void bench_kernel(benchmark::State& state, const Kernel& kernel, std::int64_t classes) {
  Data<float> data(classes);
  Data<double> exact(classes);
  kernel.fast(data);
  kernel.exact(exact);
  const bool same = agree(data.y, exact.y, 1) && std::abs(data.result - exact.result) <= 1e-5 * std::abs(exact.result);
  if (!same) return state.SkipWithError(kDiffers);
  time_memory_kernel(state, 4 * kernel.floats * static_cast<double>(data.x.size()), [&] { kernel.fast(data); });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  for (const std::int64_t classes : {2, 1000}) {
    for (const Kernel& kernel : kKernels) {
      register_kernel(std::string(kernel.name) + "/classes" + std::to_string(classes),
                      [&kernel, classes](benchmark::State& state) { bench_kernel(state, kernel, classes); });
    }
  }
  return run_benchmarks(argc, argv);
}
