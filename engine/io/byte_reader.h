// Little-endian numbers out of a range of bytes, never past its end (private to engine/io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sepia::detail {

/// A position in some bytes. Every read says by its result whether there was enough; nothing moves when there was not.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes, std::size_t position = 0) : bytes_(bytes), position_(position) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }

  /// The next `count` bytes.
  bool take(std::uint64_t count, std::span<const std::byte>& out) {
    if (count > left()) return false;
    out = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += static_cast<std::size_t>(count);
    return true;
  }
  bool take_text(std::uint64_t count, std::string_view& out) {
    std::span<const std::byte> part;
    if (!take(count, part)) return false;
    out = {reinterpret_cast<const char*>(part.data()), part.size()};
    return true;
  }
  bool skip(std::uint64_t count) {
    std::span<const std::byte> ignored;
    return take(count, ignored);
  }
  /// An unsigned integer of sizeof(T) bytes.
  template <class T>
  bool number(T& out) {
    std::span<const std::byte> part;
    if (!take(sizeof(T), part)) return false;
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(part[i]);
    out = static_cast<T>(value);
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_;
};

}  // namespace sepia::detail
