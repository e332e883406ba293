#include "engine/io/pickle_numpy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "engine/io/element_convert.h"

namespace sepia::detail {
namespace {

constexpr std::array<std::string_view, 10> kTypes{"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4"};
constexpr std::string_view kTruthValue = "b1";

PickleValue integer(std::int64_t value) { return {.kind = PickleKind::kInt, .integer = value}; }
PickleValue real(double value) { return {.kind = PickleKind::kFloat, .real = value}; }

}  // namespace

std::optional<std::string> latin1_bytes(std::string_view utf8, std::size_t longest) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    unsigned value = first;
    if (first >= 0x80) {  // two bytes, 110000xx 10xxxxxx, up to 255
      if ((first & 0xfc) != 0xc0 || ++i == utf8.size()) return std::nullopt;
      const auto second = static_cast<unsigned char>(utf8[i]);
      if ((second & 0xc0) != 0x80) return std::nullopt;
      value = (first & 0x03U) << 6 | (second & 0x3fU);
    }
    if (bytes.size() == longest) return std::nullopt;
    bytes += static_cast<char>(value);
  }
  return bytes;
}

bool is_numpy_number_type(std::string_view type) { return type == kTruthValue || std::ranges::find(kTypes, type) != kTypes.end(); }

std::optional<PickleValue> read_numpy_number(std::string_view type, std::string_view bytes) {
  const auto size = static_cast<std::size_t>(type.back() - '0');
  if (bytes.size() != size) return std::nullopt;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < size; ++i) bits |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  switch (type.front()) {
    case 'b': return PickleValue{.kind = PickleKind::kBool, .integer = bits != 0};
    case 'u': return integer(static_cast<std::int64_t>(bits));
    case 'i': return integer(static_cast<std::int64_t>(bits << (64 - 8 * size)) >> (64 - 8 * size));  // the sign comes along
    default: break;
  }
  if (size == 2) return real(static_cast<double>(half_to_float(static_cast<std::uint16_t>(bits))));
  if (size == 4) return real(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))));
  return real(std::bit_cast<double>(bits));
}

}  // namespace sepia::detail
