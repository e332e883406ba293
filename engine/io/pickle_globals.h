// The closed list of globals that a checkpoint's pickle may name, and what each stands for (private to engine/io).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/dtype.h"

namespace sepia::detail {

enum class GlobalRole {
  kOrderedDict,        ///< collections.OrderedDict: a dict
  kRebuildTensor,      ///< (storage, offset, size, stride, ...) -> tensor
  kRebuildTyped,       ///< (storage, offset, size, stride, requires_grad, hooks, dtype) -> tensor
  kRebuildParameter,   ///< (tensor, requires_grad, hooks) -> that tensor
  kSize,               ///< torch.Size((...)) -> the tuple
  kDevice,             ///< torch.device(...) -> a word; where a tensor was means nothing here
  kStorageType,        ///< torch.FloatStorage, ...
  kDtype,              ///< torch.float32, ...
  kNumpyScalar,        ///< (type, bytes) -> a number
  kNumpyType,          ///< numpy.dtype("f8", ...)
  kEncode,             ///< _codecs.encode(text, "latin1") -> bytes
};

struct KnownGlobal {
  std::string_view name;  ///< "torch._utils._rebuild_tensor_v2"
  GlobalRole role;
  std::optional<DType> dtype = std::nullopt;  ///< of a storage type or a dtype, where sepia has it
  std::uint64_t element_size = 1;
};

/// The global of that module and name, or nullptr: not one that tensors need.
const KnownGlobal* find_global(std::string_view module, std::string_view name);
/// By its whole name, as PickleValue::text holds it.
const KnownGlobal* find_global(std::string_view whole_name);

}  // namespace sepia::detail
