#include "engine/ops/pooling.h"

#include <algorithm>

#include "engine/ops/materialise.h"
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct MaxPoolNode final : Node {
  MaxPoolNode(const kernels::MaxPoolShape& shape, bool relu, Tensor index, Tensor y)
      : shape_(shape), relu_(relu), index_(std::move(index)), y_(relu ? std::move(y) : Tensor()) {}
  const char* name() const override { return "max_pool"; }

  void backward(Tensor grad_y) override {
    const GradTarget x = input(0).claim();
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      table.max_pool_backward({}, {.shape = shape_, .grad_y = grad_y.data<T>(), .index = index_.data<std::uint8_t>(), .y = y_.data_or_null<T>(),
                                   .relu = relu_, .grad_x = x.tensor.data<T>(), .accumulate = x.accumulate});
    });
  }

  kernels::MaxPoolShape shape_;
  bool relu_;
  Tensor index_, y_;
};

struct GlobalAvgPoolNode final : Node {
  explicit GlobalAvgPoolNode(const Variable& x) : shape_(x.shape()), pending_(x.pending()) {
    if (pending_.relu) x_ = x.stored();
  }
  const char* name() const override { return "global_avg_pool"; }

  void backward(Tensor grad_y) override {
    const GradTarget x = input(0).claim();
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      table.global_avg_pool_backward({}, {.batch = shape_[0], .positions = shape_[1] * shape_[2], .channels = shape_[3], .grad_y = grad_y.data<T>(),
                                          .x = x_.data_or_null<T>(), .prologue = prologue_of<T>(pending_), .grad_x = x.tensor.data<T>(),
                                          .accumulate = x.accumulate});
    });
  }

  Shape shape_;
  PendingAffine pending_;
  Tensor x_;
};

struct Padding {
  std::int64_t begin, extra_end;
  bool operator==(const Padding&) const = default;
};

// How TensorFlow pads a side for padding='same': ceil(side / stride) outputs, the odd element of the padding at the end.
Padding same_padding(std::int64_t side, const MaxPoolParams& params) {
  const std::int64_t outputs = (side + params.stride - 1) / params.stride;
  const std::int64_t total = std::max<std::int64_t>(0, (outputs - 1) * params.stride + params.kernel - side);
  return {total / 2, total % 2};
}

Padding padding_of(const Shape& x, const MaxPoolParams& params) {
  if (!params.same) return {params.padding, 0};
  SEPIA_CHECK(params.kernel > params.stride, "[max_pool] padding 'same' is for windows that overlap: kernel ", params.kernel, ", stride ", params.stride);
  const Padding rows = same_padding(x[1], params);
  SEPIA_CHECK(rows == same_padding(x[2], params), "[max_pool] padding 'same' needs rows and columns alike, got input ", x, "; use square pictures");
  return rows;
}

}  // namespace

Variable max_pool(const Variable& given_x, const MaxPoolParams& params) {
  const bool halves = params.kernel == 2 && params.stride == 2 && params.padding == 0 && !params.same;
  const PendingConvolution* convolution = given_x.convolution();
  if (halves && convolution && convolution->dense() && has_conv2d_pool(*convolution)) return conv2d_pool(*convolution);
  const Variable x = carried_out(given_x);
  SEPIA_CHECK(x.shape().ndim() == 4, "[max_pool] input must be (N, H, W, C), got ", x.shape());
  SEPIA_CHECK(params.kernel >= 1 && params.kernel <= 16 && params.stride >= 1 && params.padding >= 0 && params.padding <= params.kernel / 2,
              "[max_pool] needs 1 <= kernel <= 16, stride >= 1, 0 <= padding <= kernel/2");
  const Padding padding = padding_of(x.shape(), params);
  const kernels::MaxPoolShape shape{.batch = x.shape()[0], .height = x.shape()[1], .width = x.shape()[2], .channels = x.shape()[3],
                                    .kernel = params.kernel, .stride = params.stride, .padding = padding.begin, .extra_end = padding.extra_end};
  const std::int64_t padded = 2 * shape.padding + shape.extra_end;
  SEPIA_CHECK(shape.height + padded >= shape.kernel && shape.width + padded >= shape.kernel,
              "[max_pool] a window of ", shape.kernel, " does not fit a picture of ", shape.height, "x", shape.width, "; use a larger --image-size");
  const Shape out{shape.batch, shape.out_height(), shape.out_width(), shape.channels};
  Tensor y = Tensor::empty(out, x.dtype(), x.device());
  Tensor index = needs_node({&x}) ? Tensor::empty(out, DType::kU8, x.device()) : Tensor();
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.max_pool_forward({}, {.shape = shape, .x = x.stored().data<T>(), .prologue = prologue_of<T>(x.pending()), .y = y.data<T>(),
                                .index = index.data_or_null<std::uint8_t>()});
  });
  return record<MaxPoolNode>(y, {&x}, shape, x.pending().relu, index, y);
}

Variable global_avg_pool(const Variable& given_x) {
  const Variable x = carried_out(given_x);
  SEPIA_CHECK(x.shape().ndim() == 4 && x.shape()[1] * x.shape()[2] > 0, "[global_avg_pool] input must be (N, H, W, C), got ", x.shape());
  const Shape& shape = x.shape();
  Tensor y = Tensor::empty({shape[0], shape[3]}, x.dtype(), x.device());
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.global_avg_pool_forward({}, {.batch = shape[0], .positions = shape[1] * shape[2], .channels = shape[3], .x = x.stored().data<T>(),
                                       .prologue = prologue_of<T>(x.pending()), .y = y.data<T>()});
  });
  return record<GlobalAvgPoolNode>(std::move(y), {&x}, x);
}

}  // namespace sepia::ops
