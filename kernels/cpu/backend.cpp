#include "kernels/backend.h"

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/weight_product.h"

namespace sepia::kernels {

const Backend& cpu_backend() {
#define SEPIA_ENTRY(name, Args) .name = cpu::name,
  static const KernelTable<float> f32{SEPIA_KERNELS(SEPIA_ENTRY) SEPIA_FUSED_KERNELS(SEPIA_ENTRY)};
  static const KernelTable<bf16> bf16_table{SEPIA_KERNELS(SEPIA_ENTRY) SEPIA_FUSED_KERNELS(SEPIA_ENTRY)};
#undef SEPIA_ENTRY
  static const Backend backend{.name = "cpu", .float32 = &f32, .float64 = nullptr, .bfloat16 = cpu::has_bf16_products() ? &bf16_table : nullptr, .memory = host_memory(),
                               .hold_weights = cpu::hold_weights, .release_weights = cpu::release_weights, .conv2d_reads_pixels = true};
  return backend;
}

}  // namespace sepia::kernels
