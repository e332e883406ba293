// NumPy's numbers in a pickle: what `{"val_acc": np.float64(0.97)}` becomes in a checkpoint (private to engine/io).
//
//   numpy.core.multiarray.scalar(dtype, bytes)     one number; numpy._core since NumPy 2
//   numpy.dtype("f8", False, True)                 its type; then BUILD with (version, byte order, ...)
//   _codecs.encode(text, "latin1")                 bytes, as protocol 2 has to write them
//
// None of them is called: a number is read out of its bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "engine/io/pickle.h"

namespace sepia::detail {

/// The bytes that a UTF-8 text of characters below 256 stands for, at most `longest` of them; nothing for any other text.
std::optional<std::string> latin1_bytes(std::string_view utf8, std::size_t longest);

/// Whether read_numpy_number knows this type: "f8", "i4", "b1", ...
bool is_numpy_number_type(std::string_view type);

/// A number of a type that is_numpy_number_type knows, from its little-endian bytes; nothing when they are too few or too many.
std::optional<PickleValue> read_numpy_number(std::string_view type, std::string_view bytes);

}  // namespace sepia::detail
