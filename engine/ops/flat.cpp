#include "engine/ops/flat.h"

#include <algorithm>

#include "engine/tensor/dispatch.h"

namespace sepia::ops {
namespace {

// Reductions leave their one result in device memory; this reads it back.
template <class Value>
Value read_back(const Tensor& bytes) {
  Value value;
  bytes.copy_to_host(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

Tensor result_cell(Device device) { return Tensor::empty({1}, DType::kI64, device); }

// Calls f(table) with the kernels of x's type, which must be one that sums and master weights are kept in.
template <class F>
void dispatch_flat(const Tensor& x, const F& f) {
  dispatch(x, [&]<class T>(const kernels::KernelTable<T>& table) {
    if constexpr (std::is_same_v<T, Accumulator<T>>) {
      f(table);
    } else {
      fail(ErrorKind::kInternal, "[flat] arenas are f32 or f64, not ", x.dtype());
    }
  });
}

}  // namespace

double sum_of_squares(const Tensor& x) {
  const Tensor cell = result_cell(x.device());
  dispatch_flat(x, [&]<class T>(const kernels::KernelTable<T>& table) {
    table.sum_of_squares({}, {.count = x.numel(), .x = x.data<T>(), .result = static_cast<double*>(cell.raw())});
  });
  return read_back<double>(cell);
}

std::int64_t first_nonfinite(const Tensor& x) {
  const Tensor cell = result_cell(x.device());
  dispatch_flat(x, [&]<class T>(const kernels::KernelTable<T>& table) {
    table.find_nonfinite({}, {.count = x.numel(), .x = x.data<T>(), .result = static_cast<std::int64_t*>(cell.raw())});
  });
  return read_back<std::int64_t>(cell);
}

double sum_of_squared_differences(const Tensor& a, const Tensor& b) {
  constexpr std::int64_t kChunk = 1 << 16;  // elements on the host at a time
  SEPIA_CHECK_KIND(a.numel() == b.numel(), ErrorKind::kInternal, "[flat] difference of ", a.shape(), " and ", b.shape());
  double sum = 0;
  for (std::int64_t begin = 0; begin < a.numel(); begin += kChunk) {
    const Shape chunk{std::min(kChunk, a.numel() - begin)};
    const std::vector<double> x = a.slice(begin, chunk).to_doubles(), y = b.slice(begin, chunk).to_doubles();
    for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  }
  return sum;
}

void lerp(const Tensor& destination, const Tensor& source, double weight, const kernels::StepControl* control) {
  SEPIA_CHECK_KIND(destination.numel() == source.numel(), ErrorKind::kInternal, "[lerp] from ", source.shape(), " to ", destination.shape());
  dispatch_flat(destination, [&]<class T>(const kernels::KernelTable<T>& table) {
    table.lerp({}, {.count = destination.numel(), .source = source.data<T>(), .destination = destination.data<T>(), .weight = weight, .control = control});
  });
}

void prepare_step(const Tensor& gradients, const Tensor& loss, double clip_grad, kernels::StepControl* control) {
  SEPIA_CHECK_KIND(loss.numel() == 1 && loss.dtype() == gradients.dtype(), ErrorKind::kInternal, "[prepare_step] loss ", loss.dtype(), " ", loss.shape(),
                   ", gradients ", gradients.dtype());
  dispatch_flat(gradients, [&]<class T>(const kernels::KernelTable<T>& table) {
    table.prepare_step({}, {.count = gradients.numel(), .gradients = gradients.data<T>(), .loss = loss.data<T>(), .clip_grad = clip_grad, .control = control});
  });
}

}  // namespace sepia::ops
