// The header of a safetensors file: JSON of a fixed shape, read event by event (private to engine/io).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/safetensors.h"

namespace sepia::detail {

/// What the header says, before offsets are compared with each other and with the file.
struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  ///< in the order of the header; bytes = end - begin
  TensorFileMetadata metadata;
};

/// Parses the JSON text. Types, names, duplicates, depth and each tensor's size are checked; offsets only for begin <= end.
/// Throws Error kData, its message beginning with `source`.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::string_view source);

/// The type that the format calls `name`, if sepia has it.
std::optional<DType> dtype_from_safetensors(std::string_view name);

/// A name from a file, fit for a one-line message: quoted, control characters and bytes that are not ASCII escaped, cut.
std::string printable(std::string_view name);

/// "[128,64,3,3]".
std::string shape_text(const std::vector<std::int64_t>& shape);

/// Why `name` cannot name a tensor (empty, reserved, control characters), or nullptr.
const char* fault_of_tensor_name(std::string_view name);

/// product(shape) * dtype_size(dtype), or nothing when it does not fit 63 bits or a dimension is negative.
std::optional<std::uint64_t> tensor_bytes(const std::vector<std::int64_t>& shape, DType dtype);

}  // namespace sepia::detail
