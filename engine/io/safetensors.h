// The safetensors format: named tensors in one file, no code in it. (https://github.com/huggingface/safetensors, "Format")
//
//   8 bytes   N, little endian: length of the header
//   N bytes   JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {"k": "v"}}
//   the rest  the tensors' bytes, row-major and little endian, without holes or overlaps
//
// This file knows no Tensor and no model. Files come from strangers: the reader refuses everything that is not exactly the
// format, says why in one line, and believes no number before it is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/dtype.h"

namespace sepia {

/// One tensor of a file. `offset` counts from the first byte after the header; bytes = product(shape) * dtype_size(dtype).
struct TensorEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// Free-form notes of a file; keys of sepia begin with "sepia.".
using TensorFileMetadata = std::map<std::string, std::string>;

/// "F32", "BF16", "I64", ...: how the format names a type.
const char* safetensors_dtype_name(DType dtype);

/// A file that has been read and found whole. Holds the bytes; can be moved, not changed.
class SafetensorsFile {
 public:
  /// The longest header that the format allows.
  static constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
  /// The longest file that open() reads: far above any network here, small enough that a mistaken path is found early.
  static constexpr std::uint64_t kMaxFileBytes = std::uint64_t{8} << 30;

  /// Reads and checks a file. kPath when it cannot be read; kData, with the path, the reason and the tensor in one line,
  /// when it is anything else than a whole safetensors file of the types F64, F32, F16, BF16, I64, I32 and U8.
  static SafetensorsFile open(const std::filesystem::path& path);
  /// The same for bytes in memory; `source` stands for the path in messages.
  static SafetensorsFile parse(std::vector<std::byte> bytes, std::string_view source);

  /// All tensors in the order of their data.
  const std::vector<TensorEntry>& entries() const { return entries_; }
  /// The tensor of that name, or nullptr.
  const TensorEntry* find(std::string_view name) const;
  /// The bytes of one of entries(). They lie at any address (the header may have any length): copy them with memcpy.
  std::span<const std::byte> data(const TensorEntry& entry) const;
  /// "__metadata__", empty when the file has none.
  const TensorFileMetadata& metadata() const { return metadata_; }
  /// The path, or what parse() was given.
  const std::string& source() const { return source_; }

 private:
  SafetensorsFile() = default;
  std::string source_;
  std::vector<std::byte> bytes_;
  std::uint64_t data_start_ = 0;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
  TensorFileMetadata metadata_;
};

/// Collects tensors and writes them. The same calls give the same bytes, everywhere and always: no dates, no hashes' order.
/// Larger element types come first and otherwise the order of add() is kept, so that each tensor is aligned to its element;
/// the data begin at a multiple of 8 bytes. Tensors are not copied: their bytes must live until the file is written.
class SafetensorsWriter {
 public:
  TensorFileMetadata metadata;

  /// kUsage when the name is empty, taken, reserved or not clean UTF-8, or when the bytes are not as many as the shape says.
  void add(std::string name, DType dtype, std::vector<std::int64_t> shape, std::span<const std::byte> data);
  std::size_t size() const { return tensors_.size(); }

  /// The whole file in memory.
  std::vector<std::byte> serialise() const;
  /// Writes the file atomically (write_file_atomic) without a second copy of the tensors. kPath on failure.
  void write(const std::filesystem::path& path) const;

 private:
  struct Item {
    TensorEntry entry;
    std::span<const std::byte> data;
  };
  std::vector<const Item*> in_file_order() const;
  std::string header(const std::vector<const Item*>& items) const;

  std::vector<Item> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace sepia
