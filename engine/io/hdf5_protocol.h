// What the program that parses HDF5 says to the one that asked for it, over a pipe (private to engine/io and tools/hdf5_reader).
//
//   magic     8 bytes "SEPIAH5\1"
//   records   one letter, then:
//     'T'  text name, u8 type, u8 dimensions, i64 extent of each, the elements
//     'A'  text name, text value         an attribute: "layers/dense/vars@name" = "predictions"
//     'S'  text name                     something that is no tensor and was left out
//     'E'  text reason                   the file is refused; nothing follows
//     'Z'  u32 number of tensors         the end; nothing follows
//   text      u16 length, then the bytes
//
// Integers and elements are little endian. The reader of this stream trusts the program that wrote it no more than the file: a damaged
// file may have made it write anything.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "engine/base/dtype.h"
#include "engine/io/weight_file.h"

namespace sepia::detail {

inline constexpr std::string_view kHdf5Magic = "SEPIAH5\1";

/// Codes of element types on the pipe: the position in this list.
inline constexpr std::array<DType, 6> kHdf5Types{DType::kF32, DType::kF64, DType::kF16, DType::kI32, DType::kI64, DType::kU8};

/// Bounds on what may come over the pipe.
struct Hdf5Limits {
  std::uint64_t tensor_bytes = 0;     ///< of all tensors together: the size of the file, in which they stand uncompressed
  std::size_t tensors = 20'000;
  std::size_t notes = 20'000;         ///< attributes and things left out
  std::size_t text = 1024;            ///< of one name or value
  std::size_t dimensions = 8;
};

/// Fills a span from the pipe; returns fewer bytes only at its end, and throws when the writer takes too long.
using PipeSource = std::function<std::size_t(std::span<std::byte>)>;

/// What came over the pipe. Only `tensors`, `notes` and `skipped` of a WeightFile.
struct Hdf5Contents {
  std::vector<FileTensor> tensors;
  std::vector<FileNote> notes;
  std::vector<std::string> skipped;
  std::optional<std::string> refusal;  ///< the reason, when the program refused the file
};

/// Reads the whole stream. kData, beginning with `source`, when it is not exactly as above or exceeds `limits`.
Hdf5Contents read_hdf5_stream(const PipeSource& pipe, std::string_view source, const Hdf5Limits& limits);

}  // namespace sepia::detail
