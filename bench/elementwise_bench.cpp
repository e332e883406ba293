// Element-wise kernels on the CPU: edgenet's first block, xception's middle flow, a batch of pictures.
#include "bench/memory_support.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/elementwise.h"

namespace sepia::bench {
namespace {

using namespace sepia::kernels;

struct Layer {
  const char* name;
  std::int64_t rows, channels;
};

constexpr Layer kLayers[] = {{"edgenet.blocks.0", 32 * 64 * 64, 64}, {"xception.middle", 32 * 16 * 16, 728}};

template <class T>
struct Data {
  Data(std::int64_t r, std::int64_t c)
      : rows(r), channels(c), x(values(r * c, 1)), other(values(r * c, 2)), scale(values(c, 3)), shift(values(c, 4)), y(values(r * c, 5)) {}
  // Multiples of 1/128: exact in both types, so that no mask depends on rounding.
  static std::vector<T> values(std::int64_t count, std::uint32_t array) {
    std::vector<float> some = numbers(count, array);
    for (float& value : some) value = std::round(value * 128) / 128;
    return {some.begin(), some.end()};
  }
  Prologue<T> prologue() { return {scale.data(), shift.data(), true}; }
  AffineReluForward<T> forward() { return {rows, channels, x.data(), prologue(), y.data()}; }
  AffineReluBackward<T> backward() { return {rows, channels, x.data(), prologue(), other.data(), y.data(), Accumulate::kWrite}; }
  AccumulateInto<T> accumulate() { return {rows * channels, x.data(), y.data(), Accumulate::kAdd}; }
  AddForward<T> add() { return {rows, channels, x.data(), prologue(), other.data(), {}, y.data()}; }

  std::int64_t rows, channels;
  std::vector<T> x, other, scale, shift, y;
};

enum class Kernel { kForward, kBackward, kAdd, kAccumulate };

void bench_layer(benchmark::State& state, const Layer& layer, Kernel kernel) {
  Data<float> small(100, layer.channels), data(layer.rows, layer.channels);
  Data<double> exact(100, layer.channels);
  const auto run = [kernel](Data<float>& d) {
    if (kernel == Kernel::kForward) cpu::affine_relu_forward({}, d.forward());
    if (kernel == Kernel::kBackward) cpu::affine_relu_backward({}, d.backward());
    if (kernel == Kernel::kAdd) cpu::add_forward({}, d.add());
    if (kernel == Kernel::kAccumulate) cpu::accumulate_into({}, d.accumulate());
  };
  run(small);
  if (kernel == Kernel::kForward) reference::affine_relu_forward<double>({}, exact.forward());
  if (kernel == Kernel::kBackward) reference::affine_relu_backward<double>({}, exact.backward());
  if (kernel == Kernel::kAdd) reference::add_forward<double>({}, exact.add());
  if (kernel == Kernel::kAccumulate) reference::accumulate_into<double>({}, exact.accumulate());
  if (!agree(small.y, exact.y, 1)) return state.SkipWithError(kDiffers);
  time_memory_kernel(state, (kernel == Kernel::kForward ? 8.0 : 12.0) * static_cast<double>(data.x.size()), [&] { run(data); });
}

constexpr std::int64_t kBatch = 32, kSize = 256, kCount = kBatch * kSize * kSize * 3;

std::vector<std::uint8_t> some_pixels() {
  std::vector<std::uint8_t> pixels(kCount);
  for (std::int64_t i = 0; i < kCount; ++i) pixels[i] = static_cast<std::uint8_t>(i * 7919 >> 5);
  return pixels;
}

void bench_images(benchmark::State& state) {
  const std::vector<std::uint8_t> pixels = some_pixels();
  std::vector<float> y(kCount), expected(kCount);
  ImagesToInput<float> a{kBatch, kSize, kSize, pixels.data(), {0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}, expected.data()};
  reference::images_to_input<float>({}, a);
  a.y = y.data();
  cpu::images_to_input({}, a);
  if (y != expected) return state.SkipWithError(kDiffers);
  time_memory_kernel(state, 5.0 * kCount, [&] { cpu::images_to_input({}, a); });
}

void bench_residual(benchmark::State& state) {
  const std::vector<std::uint8_t> pixels = some_pixels();
  std::vector<float> y(kCount), expected(kCount);
  ImagesToResidual<float> a{kBatch, kSize, kSize, pixels.data(), expected.data()};
  reference::images_to_residual<float>({}, a);
  a.y = y.data();
  cpu::images_to_residual({}, a);
  if (y != expected) return state.SkipWithError(kDiffers);
  time_memory_kernel(state, 5.0 * kCount, [&] { cpu::images_to_residual({}, a); });
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using namespace sepia::bench;
  for (const Layer& layer : kLayers) {
    for (const auto& [name, kernel] : {std::pair{"affine_relu_forward/", Kernel::kForward},
                                       std::pair{"affine_relu_backward/", Kernel::kBackward}, std::pair{"add/", Kernel::kAdd},
                                       std::pair{"accumulate_into/", Kernel::kAccumulate}}) {
      register_kernel(std::string(name) + layer.name,
                      [&layer, kernel = kernel](benchmark::State& state) { bench_layer(state, layer, kernel); });
    }
  }
  register_kernel("images_to_input/batch32", bench_images);
  register_kernel("images_to_residual/batch32", bench_residual);
  return run_benchmarks(argc, argv);
}
