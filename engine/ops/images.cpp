#include "engine/ops/images.h"

#include "engine/tensor/dispatch.h"

namespace sepia::ops {

InputKind input_kind_from_name(const std::string& name) {
  if (name == "rgb") return InputKind::kRgb;
  if (name == "residual") return InputKind::kResidual;
  fail(ErrorKind::kUsage, "there is no input '", name, "'; use rgb or residual");
}

const char* input_kind_name(InputKind kind) { return kind == InputKind::kResidual ? "residual" : "rgb"; }

Tensor images_to_input(const Tensor& pixels, const Normalisation& normalisation, DType dtype) {
  SEPIA_CHECK(pixels.shape().ndim() == 4 && pixels.shape()[3] == 3 && pixels.dtype() == DType::kU8, "[images_to_input] pixels must be (N, H, W, 3) u8, got ",
              pixels.shape(), " ", pixels.dtype());
  for (const double std : normalisation.std) SEPIA_CHECK(std > 0, "[images_to_input] std must be positive, got ", std);
  Tensor y = Tensor::empty(pixels.shape(), dtype, pixels.device());
  dispatch(y, [&]<class T>(const kernels::KernelTable<T>& table) {
    if (normalisation.kind == InputKind::kResidual) {
      table.images_to_residual({}, {.batch = pixels.shape()[0], .height = pixels.shape()[1], .width = pixels.shape()[2],
                                    .pixels = pixels.data<std::uint8_t>(), .y = y.data<T>()});
      return;
    }
    table.images_to_input({}, {.batch = pixels.shape()[0], .height = pixels.shape()[1], .width = pixels.shape()[2],
                               .pixels = pixels.data<std::uint8_t>(), .mean = normalisation.mean, .std = normalisation.std, .y = y.data<T>()});
  });
  return y;
}

}  // namespace sepia::ops
