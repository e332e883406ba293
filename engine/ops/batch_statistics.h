// Ops in front of a batch norm, which leave the statistics that it wants: their kernels take them while the output is in cache.
#pragma once

#include <memory>
#include <utility>

#include "engine/ops/record.h"
#include "kernels/batch_norm.h"

namespace sepia::ops {

/// Whether layers on this device leave statistics when they are told that a batch norm follows.
inline bool leaves_statistics(DType dtype, Device device) {
  return dispatch(dtype, device, []<class T>(const KernelTable<T>& table) {
    return table.linear_forward_statistics && table.separable_conv_forward_statistics && table.conv2d_forward_statistics;
  });
}

/// Runs a forward kernel that writes y. With `normalised` it is the fused kernel that takes y's statistics too, and these are returned;
/// null otherwise, and where the backend has no such kernel (`fused` is null).
template <class T, template <class> class Forward, template <class> class ForwardStatistics>
std::shared_ptr<const BatchStatistics> run_forward(void (*plain)(const kernels::LaunchContext&, const Forward<T>&),
                                                   void (*fused)(const kernels::LaunchContext&, const ForwardStatistics<T>&),
                                                   bool normalised, const Tensor& y, const Forward<T>& arguments) {
  if (!normalised || !fused) {
    plain({}, arguments);
    return nullptr;
  }
  using A = Accumulator<T>;
  const auto make = [&] { return Tensor::empty({y.shape()[-1]}, kDTypeOf<A>, y.device()); };
  BatchStatistics statistics{.mean = make(), .variance = make(), .unbiased_variance = make()};
  fused({}, {.forward = arguments,
             .statistics = {.mean = statistics.mean.data<A>(),
                            .variance = statistics.variance.data<A>(),
                            .unbiased_variance = statistics.unbiased_variance.data<A>()}});
  return std::make_shared<const BatchStatistics>(std::move(statistics));
}

}  // namespace sepia::ops
