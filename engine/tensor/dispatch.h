// From a tensor's device and element type to the kernels for it.
#pragma once

#include "engine/tensor/tensor.h"

namespace sepia {

/// Calls f(table) with the kernel table of the tensor's device and element type T, where f is a generic lambda
///     dispatch(x, [&]<class T>(const kernels::KernelTable<T>& table) { table.add_forward({}, {... x.data<T>() ...}); });
/// Throws kUsage when the device has no kernels for that type.
template <class F>
decltype(auto) dispatch(DType dtype, Device device, F&& f) {
  const kernels::Backend& backend = backend_of(device);
  const auto require = [&](const auto* table) -> const auto& {
    SEPIA_CHECK(table, "device ", device_name(device), " has no ", dtype, " kernels");
    return *table;
  };
  switch (dtype) {
    case DType::kF32: return f(require(backend.float32));
    case DType::kF64: return f(require(backend.float64));
    case DType::kBF16: return f(require(backend.bfloat16));
    default: fail(ErrorKind::kInternal, "[dispatch] no kernels for ", dtype);
  }
}

template <class F>
decltype(auto) dispatch(const Tensor& tensor, F&& f) {
  return dispatch(tensor.dtype(), tensor.device(), std::forward<F>(f));
}

}  // namespace sepia
