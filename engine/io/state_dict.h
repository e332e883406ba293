// Finds the state dict in a checkpoint's pickle and takes its tensors out of their storages (private to engine/io).
#pragma once

#include <functional>
#include <span>

#include "engine/io/pickle.h"
#include "engine/io/weight_file.h"

namespace sepia::detail {

/// The bytes of one storage; throws kData when the file does not hold it whole.
using StorageBytes = std::function<std::span<const std::byte>(const PickleStorage&)>;

/// Fills key, tensors, notes and skipped of `file`. `file_bytes` bounds what all tensors may take together. kData otherwise, beginning
/// with file.source.
void extract_state_dict(const Pickle& pickle, const StorageBytes& storage_bytes, std::uint64_t file_bytes, const WeightFileOptions& options,
                        WeightFile& file);

}  // namespace sepia::detail
