#include "kernels/backend.h"

#include "kernels/reference/batch_norm.h"
#include "kernels/reference/conv2d.h"
#include "kernels/reference/cross_entropy.h"
#include "kernels/reference/depthwise_conv.h"
#include "kernels/reference/elementwise.h"
#include "kernels/reference/linear.h"
#include "kernels/reference/optimizer.h"
#include "kernels/reference/pooling.h"

namespace sepia::kernels {
namespace {

template <class T>
const KernelTable<T>& reference_table() {
#define SEPIA_ENTRY(name, Args) .name = reference::name<T>,
  static const KernelTable<T> table{SEPIA_KERNELS(SEPIA_ENTRY)};
#undef SEPIA_ENTRY
  return table;
}

}  // namespace

const Backend& reference_backend() {
  static const Backend backend{.name = "reference",
                               .float32 = &reference_table<float>(),
                               .float64 = &reference_table<double>(),
                               .bfloat16 = nullptr,
                               .memory = host_memory()};
  return backend;
}

}  // namespace sepia::kernels
