// Depthwise convolution on the CPU: layers of edgenet (stride 2) and xception, a batch of 32, with the prologue that they have there.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/depthwise_conv.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  DepthwiseConvShape shape;
  bool affine;  ///< a batch norm before it
};

constexpr Layer kLayers[] = {
    {"edgenet.blocks.0", {32, 128, 128, 32, 3, 3, 2, 1}, false}, {"edgenet.blocks.1", {32, 64, 64, 64, 3, 3, 2, 1}, true},
    {"edgenet.blocks.2", {32, 32, 32, 128, 3, 3, 2, 1}, true},   {"xception.block1.1", {32, 125, 125, 128, 3, 3, 1, 1}, true},
    {"xception.block3.1", {32, 32, 32, 728, 3, 3, 1, 1}, true},  {"xception.middle", {32, 16, 16, 728, 3, 3, 1, 1}, true},
    {"xception.conv4", {32, 8, 8, 1536, 3, 3, 1, 1}, true},
};

template <class T>
struct Data {
  explicit Data(const DepthwiseConvShape& s, bool affine)
      : shape(s),
        x(values(s.batch * s.height * s.width * s.channels, 1)),
        weight(values(s.kernel_h * s.kernel_w * s.channels, 2)),
        bias(values(s.channels, 3)),
        scale(values(s.channels, 4)),
        shift(values(s.channels, 5)),
        grad_y(values(s.batch * s.out_height() * s.out_width() * s.channels, 6)),
        y(grad_y.size()),
        grad_x(x.size()),
        grad_weight(weight.size()),
        grad_bias(bias.size()) {
    prologue.relu = true;
    if (affine) {
      prologue.scale = scale.data();
      prologue.shift = shift.data();
    }
  }
  // Multiples of 1/128: a pre-activation is then exact in both types, and no mask depends on rounding.
  static std::vector<T> values(std::int64_t count, std::uint32_t array) {
    std::vector<float> some = numbers(count, array);
    for (float& value : some) value = std::round(value * 128) / 128;
    return {some.begin(), some.end()};
  }
  DepthwiseConvForward<T> forward() { return {shape, x.data(), prologue, weight.data(), bias.data(), y.data()}; }
  DepthwiseConvBackward<T> backward() {
    return {shape,         x.data(),           prologue,           weight.data(),    grad_y.data(),
            grad_x.data(), Accumulate::kWrite, grad_weight.data(), grad_bias.data(), Accumulate::kWrite};
  }

  DepthwiseConvShape shape;
  std::vector<T> x, weight, bias, scale, shift, grad_y, y, grad_x, grad_weight, grad_bias;
  Prologue<T> prologue;
};

/// One picture against the reference.
bool correct(const Layer& layer) {
  DepthwiseConvShape s = layer.shape;
  s.batch = 1;
  Data<float> fast(s, layer.affine);
  Data<double> exact(s, layer.affine);
  cpu::depthwise_conv_forward({}, fast.forward());
  cpu::depthwise_conv_backward({}, fast.backward());
  reference::depthwise_conv_forward<double>({}, exact.forward());
  reference::depthwise_conv_backward<double>({}, exact.backward());
  const std::int64_t outputs = s.out_height() * s.out_width();
  return agree(fast.y, exact.y, 9) && agree(fast.grad_x, exact.grad_x, 9) && agree(fast.grad_weight, exact.grad_weight, outputs) &&
         agree(fast.grad_bias, exact.grad_bias, outputs);
}

void bench_layer(benchmark::State& state, const Layer& layer, bool forward) {
  if (!correct(layer)) return state.SkipWithError(kDiffers);
  Data<float> data(layer.shape, layer.affine);
  const auto x_bytes = static_cast<double>(4 * data.x.size()), y_bytes = static_cast<double>(4 * data.y.size());
  if (forward) {
    time_memory_kernel(state, x_bytes + y_bytes, [&] { cpu::depthwise_conv_forward({}, data.forward()); });
  } else {
    time_memory_kernel(state, 2 * x_bytes + y_bytes, [&] { cpu::depthwise_conv_backward({}, data.backward()); });
  }
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  register_layers("depthwise_conv", kLayers, "forward", "backward", bench_layer);
  return run_benchmarks(argc, argv);
}
