// Convolution, ReLU and max pooling in one kernel on the CPU, beside the kernels one after the other: simplenet's layers, there and back (to the
// input too, which its first layer does not want).
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/conv2d.h"
#include "kernels/reference/pooling.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  Conv2dShape shape;
};

constexpr Layer kLayers[] = {
    {"simplenet.conv1", {32, 256, 256, 3, 6, 7, 7}},
    {"simplenet.conv2", {32, 125, 125, 6, 16, 7, 7}},
    {"simplenet.conv3", {32, 59, 59, 16, 24, 7, 7}},
};

template <class T>
struct Data {
  explicit Data(const Conv2dShape& s)
      : shape(s),
        pool{s.batch, s.out_height(), s.out_width(), s.out_channels},
        x(numbers_as<T>(s.batch * s.height * s.width * s.in_channels, 1)),
        weight(numbers_as<T>(s.out_channels * s.kernel_h * s.kernel_w * s.in_channels, 2)),
        bias(numbers_as<T>(s.out_channels, 3)),
        grad_y(numbers_as<T>(s.batch * pool.out_height() * pool.out_width() * s.out_channels, 4)),
        y(grad_y.size()),
        grad_x(x.size()),
        grad_weight(weight.size()),
        grad_bias(bias.size()),
        index(y.size()) {}

  Conv2dPoolForward<T> forward() { return {shape, x.data(), {}, weight.data(), bias.data(), true, y.data(), index.data()}; }
  Conv2dPoolBackward<T> backward() {
    return {shape, grad_y.data(), index.data(), y.data(), true, x.data(), {}, weight.data(), grad_x.data(), Accumulate::kWrite, grad_weight.data(),
            grad_bias.data(), Accumulate::kWrite};
  }
  // One after the other: the convolution's output, and then its gradient, in `between`.
  void have_between() { between.resize(static_cast<std::size_t>(shape.batch * pool.height * pool.width * pool.channels)); }
  Conv2dForward<T> convolution() { return {shape, x.data(), {}, weight.data(), bias.data(), between.data()}; }
  MaxPoolForward<T> pooling() { return {pool, between.data(), {.relu = true}, y.data(), index.data()}; }
  MaxPoolBackward<T> pooling_backward() { return {pool, grad_y.data(), index.data(), y.data(), true, between.data(), Accumulate::kWrite}; }
  Conv2dBackwardWeight<T> weight_backward() { return {shape, x.data(), {}, between.data(), grad_weight.data(), grad_bias.data(), Accumulate::kWrite}; }
  Conv2dBackwardInput<T> input_backward() { return {shape, between.data(), weight.data(), x.data(), {}, grad_x.data(), Accumulate::kWrite}; }

  Conv2dShape shape;
  MaxPoolShape pool;
  std::vector<T> x, weight, bias, grad_y, y, grad_x, grad_weight, grad_bias, between;
  std::vector<std::uint8_t> index;
};

/// One picture against the reference's kernels.
bool correct(Conv2dShape s) {
  s.batch = 1;
  Data<float> fast(s);
  Data<double> exact(s);
  cpu::conv2d_pool_forward({}, fast.forward());
  exact.have_between();
  reference::conv2d_forward<double>({}, exact.convolution());
  reference::max_pool_forward<double>({}, exact.pooling());
  exact.index = fast.index;  // where two of a window are as good as equal, rounding decides
  cpu::conv2d_pool_backward({}, fast.backward());
  reference::max_pool_backward<double>({}, exact.pooling_backward());
  reference::conv2d_backward_weight<double>({}, exact.weight_backward());
  reference::conv2d_backward_input<double>({}, exact.input_backward());
  const std::int64_t taps = s.kernel_h * s.kernel_w;
  return agree(fast.y, exact.y, taps * s.in_channels) && agree(fast.grad_x, exact.grad_x, taps * s.out_channels) &&
         agree(fast.grad_weight, exact.grad_weight, s.out_height() * s.out_width());
}

void bench_layer(benchmark::State& state, const Layer& layer, bool fused) {
  if (!correct(layer.shape)) return state.SkipWithError(kDiffers);
  Data<float> data(layer.shape);
  if (!fused) data.have_between();
  const double products = static_cast<double>(data.pool.batch * data.pool.height * data.pool.width) * static_cast<double>(data.weight.size());
  time_kernel(state, 6 * products, static_cast<int>(state.range(0)), [&] {
    if (fused) {
      cpu::conv2d_pool_forward({}, data.forward());
      return cpu::conv2d_pool_backward({}, data.backward());
    }
    cpu::conv2d_forward({}, data.convolution());
    cpu::max_pool_forward({}, data.pooling());
    cpu::max_pool_backward({}, data.pooling_backward());
    cpu::conv2d_backward_weight({}, data.weight_backward());
    cpu::conv2d_backward_input({}, data.input_backward());
  });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  register_layers("conv2d_pool", kLayers, "fused", "one after the other", bench_layer);
  return run_benchmarks(argc, argv);
}
