#include "engine/io/pickle_globals.h"

#include <algorithm>
#include <array>

namespace sepia::detail {
namespace {

using enum GlobalRole;

constexpr std::array kGlobals = std::to_array<KnownGlobal>({
    {"collections.OrderedDict", kOrderedDict},
    {"torch._utils._rebuild_tensor", kRebuildTensor},
    {"torch._utils._rebuild_tensor_v2", kRebuildTensor},
    {"torch._utils._rebuild_tensor_v3", kRebuildTyped},
    {"torch._utils._rebuild_parameter", kRebuildParameter},
    {"torch.Size", kSize},
    {"torch.device", kDevice},
    {"torch.FloatStorage", kStorageType, DType::kF32, 4},
    {"torch.DoubleStorage", kStorageType, DType::kF64, 8},
    {"torch.HalfStorage", kStorageType, DType::kF16, 2},
    {"torch.BFloat16Storage", kStorageType, DType::kBF16, 2},
    {"torch.LongStorage", kStorageType, DType::kI64, 8},
    {"torch.IntStorage", kStorageType, DType::kI32, 4},
    {"torch.ByteStorage", kStorageType, DType::kU8, 1},
    {"torch.BoolStorage", kStorageType, DType::kU8, 1},
    {"torch.ShortStorage", kStorageType, std::nullopt, 2},
    {"torch.CharStorage", kStorageType, std::nullopt, 1},
    {"torch.storage.UntypedStorage", kStorageType, DType::kU8, 1},
    {"torch.UntypedStorage", kStorageType, DType::kU8, 1},
    {"torch.float32", kDtype, DType::kF32, 4},
    {"torch.float64", kDtype, DType::kF64, 8},
    {"torch.float16", kDtype, DType::kF16, 2},
    {"torch.bfloat16", kDtype, DType::kBF16, 2},
    {"torch.int64", kDtype, DType::kI64, 8},
    {"torch.int32", kDtype, DType::kI32, 4},
    {"torch.uint8", kDtype, DType::kU8, 1},
    {"torch.bool", kDtype, DType::kU8, 1},
    {"numpy.core.multiarray.scalar", kNumpyScalar},
    {"numpy._core.multiarray.scalar", kNumpyScalar},
    {"numpy.dtype", kNumpyType},
    {"_codecs.encode", kEncode},
});

}  // namespace

const KnownGlobal* find_global(std::string_view module, std::string_view name) {
  const auto found = std::find_if(kGlobals.begin(), kGlobals.end(), [&](const KnownGlobal& global) {
    return global.name.size() == module.size() + 1 + name.size() && global.name.starts_with(module) && global.name[module.size()] == '.' &&
           global.name.ends_with(name);
  });
  return found == kGlobals.end() ? nullptr : &*found;
}

const KnownGlobal* find_global(std::string_view whole_name) {
  const auto found = std::find_if(kGlobals.begin(), kGlobals.end(), [&](const KnownGlobal& global) { return global.name == whole_name; });
  return found == kGlobals.end() ? nullptr : &*found;
}

}  // namespace sepia::detail
