#include "tools/measure/ceilings.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "engine/tensor/dispatch.h"

namespace sepia::tools {
namespace {

constexpr std::int64_t kCopyBytesPerThread = std::int64_t{64} << 20;  // well past any cache
constexpr std::int64_t kDeviceCopyBytes = std::int64_t{1} << 30;
constexpr std::int64_t kRows = 4096, kFeatures = 1024;
constexpr double kShortest = 0.003;  // seconds
constexpr int kTries = 8;
constexpr std::int64_t kMostProducts = 64;

double seconds_of(Device device, const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  backend_of(device).memory.synchronize({});
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double best_seconds(Device device, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) best = std::min(best, seconds_of(device, work));
  return best;
}

// Numbers in [-1, 1): a processor multiplies zeros with less heat, and some at a higher clock.
Tensor random_matrix(std::int64_t rows, std::int64_t columns, DType dtype, Device device) {
  RandomStream random(1, RandomPurpose::kTest);
  std::vector<double> values(static_cast<std::size_t>(rows * columns));
  for (double& value : values) value = static_cast<double>(random.next_u32()) * 0x1p-31 - 1.0;
  return tensor_from_doubles(values, {rows, columns}, dtype, device);
}

}  // namespace

CeilingBench::CeilingBench(Device device, DType dtype) : device_(device), dtype_(dtype) {
  const std::int64_t bytes = device.on_host() ? kCopyBytesPerThread * num_threads() : kDeviceCopyBytes;
  from_ = Tensor::zeros({bytes}, DType::kU8, device);
  to_ = Tensor::zeros({bytes}, DType::kU8, device);
  x_ = random_matrix(kRows, kFeatures, dtype, device);
  weight_ = random_matrix(kFeatures, kFeatures, dtype, device);
  y_ = Tensor::zeros({kRows, kFeatures}, dtype, device);
  copy();
  product();
  const double once = best_seconds(device_, [this] { product(); });
  products_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(kShortest / std::max(once, 1e-6))), 1, kMostProducts);
}

void CeilingBench::copy() const {
  if (!device_.on_host()) {
    backend_of(device_).memory.copy({}, to_.raw(), from_.raw(), from_.bytes());
    return;
  }
  const std::int64_t pieces = num_threads();
  const auto piece = from_.bytes() / static_cast<std::size_t>(pieces);
  parallel_for(pieces, [&](std::int64_t i) {
    const std::size_t offset = static_cast<std::size_t>(i) * piece;
    std::memcpy(static_cast<std::byte*>(to_.raw()) + offset, static_cast<const std::byte*>(from_.raw()) + offset, piece);
  });
}

void CeilingBench::product() const {
  dispatch(x_, [&]<class T>(const kernels::KernelTable<T>& table) {
    table.linear_forward({}, {.shape = {.rows = kRows, .in_features = kFeatures, .out_features = kFeatures}, .x = x_.data<T>(), .prologue = {},
                              .weight = weight_.data<T>(), .bias = nullptr, .y = y_.data<T>()});
  });
}

Ceilings CeilingBench::measure() const {
  const double copying = best_seconds(device_, [this] { copy(); });
  const double multiplying = best_seconds(device_, [this] {
    for (std::int64_t i = 0; i < products_; ++i) product();
  });
  return {.copy_bytes_per_s = 2.0 * static_cast<double>(from_.bytes()) / copying,
          .gemm_flops_per_s = 2.0 * static_cast<double>(kRows * kFeatures * kFeatures * products_) / multiplying};
}

}  // namespace sepia::tools
