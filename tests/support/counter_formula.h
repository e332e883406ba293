// Weights, pixels and labels as pure functions of a counter: the C++ twin of tests/golden/counter_formula.py, where the
// formulas stand with their reasons. Every element is given by its row-major place in PyTorch's (the file's) layout.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sepia::counter_formula {

inline constexpr double kMean[3] = {0.4914, 0.4822, 0.4465};
inline constexpr double kStd[3] = {0.2023, 0.1994, 0.2010};

/// lowbias32, a 32-bit mixer (Chris Wellons, "Prospecting for hash functions", 2018).
constexpr std::uint32_t hash32(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

/// Element i of sequence p, in [-1, 1), exact in double.
constexpr double signed_unit(std::uint32_t p, std::uint32_t i) {
  return 2.0 * (hash32(p * 0x9e3779b1u + i) / 4294967296.0) - 1.0;
}

/// `count` elements of parameter number p. kind: "uniform" (bound 1/sqrt(fan_in)), "bn_weight" or "bn_bias".
inline std::vector<double> parameter(std::uint32_t p, std::string_view kind, std::size_t count, std::uint32_t fan_in) {
  double centre = 0, bound = 0.125;
  if (kind == "uniform") {
    bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  } else if (kind == "bn_weight") {
    centre = 1;
  } else if (kind != "bn_bias") {
    throw std::invalid_argument("counter_formula: no such kind of parameter: " + std::string(kind));
  }
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = centre + signed_unit(p, static_cast<std::uint32_t>(i)) * bound;
  return values;
}

/// Channel c of picture n at row y, column x (both below 256).
constexpr std::uint8_t pixel(std::uint32_t n, std::uint32_t c, std::uint32_t y, std::uint32_t x) {
  const std::uint32_t plane = 3 * n + c;
  const std::uint32_t coarse = hash32(0xc0a45e00u + (plane * 32 + y / 8) * 32 + x / 8);
  const std::uint32_t fine = hash32(0xf17e0000u + (plane * 256 + y) * 256 + x);
  return static_cast<std::uint8_t>((coarse >> 25) + (fine >> 25));
}

/// The same value as the network sees it: (pixel / 255 - mean) / std.
inline double normalised_pixel(std::uint32_t n, std::uint32_t c, std::uint32_t y, std::uint32_t x) {
  return (pixel(n, c, y, x) / 255.0 - kMean[c]) / kStd[c];
}

/// Picture n's class.
constexpr int label(std::uint32_t n) {
  return static_cast<int>(hash32(0x1abe1000u + n) >> 31);
}

/// Batch `index` (pictures index * batch_size and following) as the engine holds it: [batch_size, size, size, 3].
inline std::vector<double> batch_nhwc(std::uint32_t index, std::uint32_t batch_size, std::uint32_t size) {
  std::vector<double> values;
  values.reserve(std::size_t{batch_size} * size * size * 3);
  for (std::uint32_t n = index * batch_size; n < (index + 1) * batch_size; ++n)
    for (std::uint32_t y = 0; y < size; ++y)
      for (std::uint32_t x = 0; x < size; ++x)
        for (std::uint32_t c = 0; c < 3; ++c) values.push_back(normalised_pixel(n, c, y, x));
  return values;
}

/// Labels of the same batch.
inline std::vector<int> batch_labels(std::uint32_t index, std::uint32_t batch_size) {
  std::vector<int> labels;
  for (std::uint32_t n = index * batch_size; n < (index + 1) * batch_size; ++n) labels.push_back(label(n));
  return labels;
}

}  // namespace sepia::counter_formula
