// A reader of the pickles that torch.save writes, which executes nothing (private to engine/io). (Python, "pickletools"; PEP 307)
//
// A pickle is a program for a stack machine; Python's own reader calls whatever function the program names. This one knows the opcodes
// that build plain values, and has a closed list of the globals that tensors need. It never calls anything: REDUCE on one of those
// globals makes a *description* (this tensor is those elements of that storage), and any other global or opcode is refused by its name.
//
// Values live in one flat vector and refer to each other by index, so that neither depth nor sharing nor cycles can make a destructor or
// a walk recurse. The vector, the stack, the marks and the copied items are all bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/dtype.h"

namespace sepia::detail {

enum class PickleKind : std::uint8_t { kNone, kBool, kInt, kFloat, kText, kTuple, kList, kDict, kGlobal, kStorage, kTensor, kEncoded, kNumpyType };

/// A storage that tensors lie in: found under `key` beside the pickle.
struct PickleStorage {
  std::string_view key;
  std::string_view type;          ///< "FloatStorage"
  std::optional<DType> dtype;     ///< nothing when sepia has no such type
  std::uint64_t element_size = 1;
  std::uint64_t elements = 0;
  std::uint64_t view_offset = 0;  ///< first element of the part of the storage that is meant (files of before 2020)
};

/// Elements of a storage: `storage` is an index into Pickle::storages; extents, strides and offset count elements.
struct PickleTensor {
  std::uint32_t storage = 0;
  std::optional<DType> dtype;     ///< where it is not the storage's own
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape, strides;
};

/// One value. Numbers and truth values are in `integer` or `real`; a tensor's and a storage's index is in `integer`.
struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text{};           ///< text, bytes, a global as "module.name", a NumPy type ("f8") or, of kEncoded, the UTF-8 text that stands
                                     ///< for bytes; into the pickle's bytes or static
  std::vector<std::uint32_t> items{};  ///< members; of a dict key, value, key, value, ...
};

/// A whole pickle. Texts point into the bytes it was read from.
struct Pickle {
  std::vector<PickleValue> values;
  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
  std::uint32_t root = 0;
  std::size_t bytes = 0;  ///< read up to and with the STOP opcode

  const PickleValue& at(std::uint32_t index) const { return values[index]; }
  const PickleValue& top() const { return values[root]; }
};

/// What a pickle may ask for.
struct PickleLimits {
  std::size_t bytes = std::size_t{16} << 20;
  std::size_t values = 400'000;
  std::size_t stack = 100'000;
  std::size_t marks = 200;
  std::size_t items = 2'000'000;  ///< members of all containers
  std::size_t tensors = 100'000;
};

/// Reads one pickle from the beginning of `bytes`, which must outlive the result. kData, beginning with `source`, for everything
/// that is not a whole pickle of plain values and tensors.
Pickle read_pickle(std::span<const std::byte> bytes, std::string_view source, const PickleLimits& limits = {});

}  // namespace sepia::detail
