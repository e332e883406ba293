#include "engine/io/element_convert.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "engine/base/bf16.h"

namespace sepia::detail {
namespace {

struct Half {
  std::uint16_t bits;
  explicit operator float() const { return half_to_float(bits); }
};

template <class From, class To>
std::vector<std::byte> converted(std::span<const std::byte> elements) {
  const std::size_t count = elements.size() / sizeof(From);
  std::vector<std::byte> result(count * sizeof(To));
  for (std::size_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, elements.data() + i * sizeof(From), sizeof(From));
    using Wide = std::conditional_t<std::is_same_v<From, double>, double, float>;
    const To out = static_cast<To>(static_cast<Wide>(value));
    std::memcpy(result.data() + i * sizeof(To), &out, sizeof(To));
  }
  return result;
}

template <class To>
std::optional<std::vector<std::byte>> converted_to(std::span<const std::byte> elements, DType from) {
  switch (from) {
    case DType::kF64:
      return converted<double, To>(elements);
    case DType::kF32:
      return converted<float, To>(elements);
    case DType::kBF16:
      return converted<bf16, To>(elements);
    case DType::kF16:
      return converted<Half, To>(elements);
    default:
      return std::nullopt;
  }
}

template <class T>
std::optional<std::size_t> first_nonfinite_of(std::span<const std::byte> elements) {
  for (std::size_t i = 0; i < elements.size() / sizeof(T); ++i) {
    T value;
    std::memcpy(&value, elements.data() + i * sizeof(T), sizeof(T));
    if (!std::isfinite(value)) return i;
  }
  return std::nullopt;
}

}  // namespace

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in float
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  // The exponent's bias is 15 here and 127 there; all ones stay all ones.
  const std::uint32_t wide = exponent == 0x1f ? 0xff : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

std::optional<std::vector<std::byte>> convert_elements(std::span<const std::byte> elements, DType from, DType to) {
  return to == DType::kF64 ? converted_to<double>(elements, from) : converted_to<float>(elements, from);
}

std::optional<std::size_t> first_nonfinite(std::span<const std::byte> elements, DType dtype) {
  return dtype == DType::kF64 ? first_nonfinite_of<double>(elements) : first_nonfinite_of<float>(elements);
}

}  // namespace sepia::detail
