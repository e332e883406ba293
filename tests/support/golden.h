// Reads tests/golden/*.json, values made by PyTorch in float64 (tests/golden/README.md says what each file holds).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/counter_formula.h"

namespace sepia::golden {

/// The parsed file tests/golden/NAME.json.
inline nlohmann::json load(const std::string& name) {
  const auto path = std::filesystem::path(SEPIA_SOURCE_DIR) / "tests" / "golden" / (name + ".json");
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open " + path.string() + "; run its generator in tests/golden");
  return nlohmann::json::parse(file);
}

/// A tensor of an op golden, in PyTorch's layout (NCHW, OIHW).
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

/// {"shape": [...], "values": [...]}; null stands for NaN.
inline Array array(const nlohmann::json& json) {
  Array result{json.at("shape").get<std::vector<std::int64_t>>(), {}};
  for (const auto& v : json.at("values")) result.values.push_back(v.is_null() ? std::numeric_limits<double>::quiet_NaN() : v.get<double>());
  return result;
}

/// [N, C, H, W] -> [N, H, W, C].
inline std::vector<double> nchw_to_nhwc(const Array& a) {
  const std::size_t n = a.shape.at(0), c = a.shape.at(1), hw = static_cast<std::size_t>(a.shape.at(2) * a.shape.at(3));
  std::vector<double> result(a.values.size());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < c; ++j)
      for (std::size_t k = 0; k < hw; ++k) result[(i * hw + k) * c + j] = a.values[(i * c + j) * hw + k];
  return result;
}

/// How far a tensor (all its elements, PyTorch's layout) is from a digest of a training golden: the largest difference of
/// a sampled element, of the sum, and of the projection on signed_unit(1000 + number, i); the latter two are divided by
/// the root of the count, so that errors of all elements of size e give about e. A wrong count is infinitely far.
inline double digest_distance(const nlohmann::json& digest, std::span<const double> values, std::uint32_t parameter_number) {
  std::size_t count = 1;
  for (const auto& d : digest.at("shape")) count *= d.get<std::size_t>();
  if (count != values.size()) return std::numeric_limits<double>::infinity();
  double sum = 0, projection = 0, worst = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += values[i];
    projection += values[i] * counter_formula::signed_unit(1000 + parameter_number, static_cast<std::uint32_t>(i));
  }
  const double root = std::sqrt(static_cast<double>(count));
  const auto consider = [&](double difference) { worst = std::isnan(difference) ? difference : std::max(worst, std::abs(difference)); };
  consider((sum - digest.at("sum").get<double>()) / root);
  consider((projection - digest.at("projection").get<double>()) / root);
  const auto stride = digest.at("stride").get<std::size_t>();
  std::size_t i = 0;
  for (const auto& sample : digest.at("samples")) {
    consider(values[i] - sample.get<double>());
    i += stride;
  }
  return worst;
}

}  // namespace sepia::golden
