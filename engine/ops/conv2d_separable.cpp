// A pending dense convolution, the depthwise one behind it that is pending too, and the pointwise one behind both, together and without a tape.
// kernels/conv2d_separable.h has the maths.
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"
#include "kernels/conv2d_separable.h"

namespace sepia::ops {

bool has_conv2d_separable(const PendingConvolution& convolution) {
  return kernels::conv2d_has_few_inputs(kernel_shape_of_dense(convolution)) &&
         dispatch(convolution.x.dtype(), convolution.x.device(), []<class T>(const KernelTable<T>& table) { return table.conv2d_separable_forward != nullptr; });
}

Variable conv2d_separable(const PendingConvolution& depthwise, const Variable& weight, const Variable& bias) {
  const PendingConvolution& stem = *depthwise.x.convolution();
  const Shape& u = depthwise.shape;
  Tensor y = Tensor::empty({u[0], u[1], u[2], weight.shape()[0]}, stem.x.dtype(), stem.x.device());
  const DenseInput input(stem.x);
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.conv2d_separable_forward({}, {.stem = dense_arguments<T>(stem, input, nullptr),
                                        .separable = separable_arguments<T>(depthwise, Tensor(), {.scale = {}, .shift = {}, .relu = stem.relu}, weight, bias, y)});
  });
  return Variable(std::move(y));
}

}  // namespace sepia::ops
