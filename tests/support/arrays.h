// Test data: named arrays in double, drawn from the counter-based generator by the names of case and array.
//
// All values are short binary fractions, so that float and bf16 hold them exactly, and scale * x + shift is exact in float too
// and never zero. So every type and backend sees the same numbers and the same open ReLUs, and a finite difference never
// crosses the kink of a ReLU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/random.h"

namespace sepia::test {

using Array = std::vector<double>;
using Arrays = std::map<std::string, Array>;

/// Draws the inputs of one case. An array depends on (case name, array name, size) alone, not on what was drawn before it.
class RandomArrays {
 public:
  explicit RandomArrays(std::string_view case_name) : case_(hash(case_name)) {}

  /// Odd multiples of 1/64 in (-2, 2): never zero, 7 bits.
  Array values(std::string_view name, std::int64_t count) const {
    return draw(name, count, [](RandomStream& random) { return (2.0 * random.below(128) - 127) / 64; });
  }
  /// Multiples of 1/16 with magnitude in [1/2, 3/2], of both signs.
  Array scales(std::string_view name, std::int64_t count) const {
    return draw(name, count, [](RandomStream& random) { return (random.below(2) ? 1 : -1) * (8.0 + random.below(17)) / 16; });
  }
  /// Multiples of 1/16 in [1/2, 3/2]: variances, class weights, second moments.
  Array positive(std::string_view name, std::int64_t count) const {
    return draw(name, count, [](RandomStream& random) { return (8.0 + random.below(17)) / 16; });
  }
  /// Odd multiples of 1/2048 in (-1, 1): scales() * values() + shifts() is never zero.
  Array shifts(std::string_view name, std::int64_t count) const {
    return draw(name, count, [](RandomStream& random) { return (2.0 * random.below(2048) - 2047) / 2048; });
  }
  /// Integers in [0, bound).
  Array integers(std::string_view name, std::int64_t count, std::uint32_t bound) const {
    return draw(name, count, [bound](RandomStream& random) { return static_cast<double>(random.below(bound)); });
  }
  /// A random order of the `count` odd multiples of 1/64 about zero: no two are equal, so no maximum is tied.
  Array distinct(std::string_view name, std::int64_t count) const {
    Array result(count);
    for (std::int64_t i = 0; i < count; ++i) result[i] = (2.0 * static_cast<double>(i - count / 2) + 1) / 64;
    RandomStream random(kSeed, RandomPurpose::kTest, case_, hash(name));
    for (std::int64_t i = count - 1; i > 0; --i) std::swap(result[i], result[random.below(static_cast<std::uint32_t>(i + 1))]);
    return result;
  }

 private:
  static constexpr std::uint64_t kSeed = 2024;

  /// FNV-1a, 32 bits.
  static std::uint32_t hash(std::string_view text) {
    std::uint32_t h = 2166136261u;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
    return h;
  }

  template <class Draw>
  Array draw(std::string_view name, std::int64_t count, Draw one) const {
    RandomStream random(kSeed, RandomPurpose::kTest, case_, hash(name));
    Array result(count);
    std::generate(result.begin(), result.end(), [&] { return one(random); });
    return result;
  }

  std::uint32_t case_;
};

}  // namespace sepia::test
