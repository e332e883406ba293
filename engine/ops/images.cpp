#include "engine/ops/images.h"

#include "engine/tensor/dispatch.h"

namespace sepia::ops {

InputKind input_kind_from_name(const std::string& name) {
  if (name == "rgb") return InputKind::kRgb;
  if (name == "residual") return InputKind::kResidual;
  fail(ErrorKind::kUsage, "there is no input '", name, "'; use rgb or residual");
}

const char* input_kind_name(InputKind kind) { return kind == InputKind::kResidual ? "residual" : "rgb"; }

namespace {

void check(const Tensor& pixels, const Normalisation& normalisation) {
  SEPIA_CHECK(pixels.shape().ndim() == 4 && pixels.shape()[3] == 3 && pixels.dtype() == DType::kU8, "[images_to_input] pixels must be (N, H, W, 3) u8, got ",
              pixels.shape(), " ", pixels.dtype());
  for (const double std : normalisation.std) SEPIA_CHECK(std > 0, "[images_to_input] std must be positive, got ", std);
}

}  // namespace

Tensor images_to_input(const Tensor& pixels, const Normalisation& normalisation, DType dtype) {
  check(pixels, normalisation);
  const Shape& shape = pixels.shape();
  Tensor y = Tensor::empty(shape, dtype, pixels.device());
  dispatch(y, [&]<class T>(const kernels::KernelTable<T>& table) {
    const auto* bytes = pixels.data<std::uint8_t>();
    if (normalisation.kind == InputKind::kResidual) {
      table.images_to_residual({}, {.batch = shape[0], .height = shape[1], .width = shape[2], .pixels = bytes, .y = y.data<T>()});
      return;
    }
    table.images_to_input({}, {.batch = shape[0], .height = shape[1], .width = shape[2], .pixels = bytes, .mean = normalisation.mean,
                               .std = normalisation.std, .y = y.data<T>()});
  });
  return y;
}

Variable pictures(const Tensor& pixels, const Normalisation& normalisation, DType dtype) {
  if (normalisation.kind != InputKind::kRgb || !backend_of(pixels.device()).conv2d_reads_pixels) return Variable(images_to_input(pixels, normalisation, dtype));
  check(pixels, normalisation);
  return Variable(std::make_shared<const PendingPictures>(PendingPictures{pixels, normalisation.mean, normalisation.std, dtype}));
}

}  // namespace sepia::ops
