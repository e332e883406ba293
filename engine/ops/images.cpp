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

Tensor converted(const std::uint8_t* pixels, const Shape& shape, Device device, const Normalisation& normalisation, DType dtype) {
  for (const double std : normalisation.std) SEPIA_CHECK(std > 0, "[images_to_input] std must be positive, got ", std);
  Tensor y = Tensor::empty(shape, dtype, device);
  dispatch(y, [&]<class T>(const kernels::KernelTable<T>& table) {
    if (normalisation.kind == InputKind::kResidual) {
      table.images_to_residual({}, {.batch = shape[0], .height = shape[1], .width = shape[2], .pixels = pixels, .y = y.data<T>()});
      return;
    }
    table.images_to_input({}, {.batch = shape[0], .height = shape[1], .width = shape[2], .pixels = pixels, .mean = normalisation.mean,
                               .std = normalisation.std, .y = y.data<T>()});
  });
  return y;
}

}  // namespace

Tensor images_to_input(const Tensor& pixels, const Normalisation& normalisation, DType dtype) {
  SEPIA_CHECK(pixels.shape().ndim() == 4 && pixels.shape()[3] == 3 && pixels.dtype() == DType::kU8, "[images_to_input] pixels must be (N, H, W, 3) u8, got ",
              pixels.shape(), " ", pixels.dtype());
  return converted(pixels.data<std::uint8_t>(), pixels.shape(), pixels.device(), normalisation, dtype);
}

Tensor images_to_input(std::span<const std::uint8_t> pixels, const Shape& shape, Device device, const Normalisation& normalisation, DType dtype) {
  SEPIA_CHECK(shape.ndim() == 4 && shape[3] == 3 && static_cast<std::int64_t>(pixels.size()) == shape.numel(), "[images_to_input] ", pixels.size(),
              " bytes are not pixels of shape ", shape);
  if (device.on_host()) return converted(pixels.data(), shape, device, normalisation, dtype);
  const Tensor on_device = Tensor::empty(shape, DType::kU8, device);
  on_device.copy_from_host(std::as_bytes(pixels));
  return images_to_input(on_device, normalisation, dtype);
}

}  // namespace sepia::ops
