// State dicts out of the two containers that torch.save has written (private to engine/io).
#pragma once

#include <cstddef>
#include <span>

#include "engine/io/weight_file.h"

namespace sepia::detail {

/// Whether these bytes begin like a ZIP archive, or like the legacy stream.
bool is_zip(std::span<const std::byte> bytes);
bool is_torch_legacy(std::span<const std::byte> bytes);

/// ZIP: NAME/data.pkl describes the tensors, NAME/data/KEY holds each storage, NAME/byteorder says "little".
/// Fills everything of `file` but the SHA-256. kData as read_weight_file says.
void read_torch_zip(std::span<const std::byte> bytes, const WeightFileOptions& options, WeightFile& file);

/// The legacy stream: pickles of a magic number, the protocol 1001, the system's sizes, the object, the list of storage keys; then for each
/// key the number of elements (64 bits) and the elements.
void read_torch_legacy(std::span<const std::byte> bytes, const WeightFileOptions& options, WeightFile& file);

}  // namespace sepia::detail
