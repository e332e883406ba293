// Layer and variable of a Keras tensor, from the two ways in which Keras has named them.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "engine/base/error.h"
#include "engine/io/safetensors_header.h"
#include "tools/convert/keras_names.h"

namespace sepia::convert {
namespace {

/// "batch_normalization_12" -> {"batch_normalization", 12}; without a number, 0.
std::pair<std::string, int> numbered(const std::string& name) {
  const std::size_t at = name.rfind('_');
  int number = 0;
  if (at == std::string::npos || at + 1 == name.size()) return {name, 0};
  const auto [end, error] = std::from_chars(name.data() + at + 1, name.data() + name.size(), number);
  const bool is_number = error == std::errc() && end == name.data() + name.size();
  return is_number ? std::pair{name.substr(0, at), number} : std::pair{name, 0};
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// Layers with weights of keras.applications' Xception, class by class in the order of the model: for files of Keras 3 that keep only the
/// place of a layer in its class.
std::vector<std::string> layers_of_class(const std::string& kind) {
  std::vector<std::string> layers;
  const bool convolutions = kind == "conv2d", norms = kind == "batch_normalization", separable = kind == "separable_conv2d";
  if (kind == "dense") return {"predictions"};
  const std::string after = norms ? "_bn" : "";
  if (convolutions || norms) layers = {"block1_conv1" + after, "block1_conv2" + after};
  int skip = 0;
  for (int block = 2; block <= 14; ++block) {
    const int count = block >= 5 && block <= 12 ? 3 : 2;
    for (int i = 1; i <= count && (separable || norms); ++i) layers.push_back("block" + std::to_string(block) + "_sepconv" + std::to_string(i) + after);
    const bool has_skip = block <= 4 || block == 13;
    if (has_skip && (convolutions || norms)) layers.push_back(kind + (skip > 0 ? "_" + std::to_string(skip) : ""));
    skip += has_skip;
  }
  return layers;
}

/// Variables by their place in a layer of Keras 3.
std::string variable_at(const std::string& kind, const std::string& place) {
  static const std::map<std::string, std::vector<std::string>> kVariables{
      {"conv2d", {"kernel", "bias"}},
      {"separable_conv2d", {"depthwise_kernel", "pointwise_kernel", "bias"}},
      {"batch_normalization", {"gamma", "beta", "moving_mean", "moving_variance"}},
      {"dense", {"kernel", "bias"}},
  };
  const auto found = kVariables.find(kind);
  if (found == kVariables.end() || place.size() != 1) return {};
  const auto index = static_cast<std::size_t>(place[0] - '0');
  return index < found->second.size() ? found->second[index] : std::string();
}

/// Names that Keras 1 and early Keras 2 gave, as today's.
std::string today(const std::string& variable) {
  static const std::map<std::string, std::string> kNames{
      {"W", "kernel"}, {"b", "bias"}, {"running_mean", "moving_mean"}, {"running_std", "moving_variance"}, {"running_variance", "moving_variance"}};
  const auto found = kNames.find(variable);
  return found == kNames.end() ? variable : found->second;
}

std::optional<KerasVariable> keras3_variable(const std::vector<std::string>& parts, const std::map<std::string, std::string>& names) {
  const std::size_t n = parts.size();
  if (n < 4 || parts[n - 2] != "vars" || parts[n - 4] != "layers") return std::nullopt;
  const auto [kind, place] = numbered(parts[n - 3]);
  const std::string variable = variable_at(kind, parts[n - 1]);
  if (variable.empty()) return std::nullopt;
  std::string group;
  for (std::size_t i = 0; i + 1 < n; ++i) group += (i > 0 ? "/" : "") + parts[i];
  if (const auto named = names.find(group + "@name"); named != names.end()) return KerasVariable{named->second, variable};
  const auto layers = layers_of_class(kind);
  if (static_cast<std::size_t>(place) >= layers.size()) return std::nullopt;
  return KerasVariable{layers[static_cast<std::size_t>(place)], variable};
}

std::optional<KerasVariable> tf_keras_variable(const std::vector<std::string>& parts) {
  const std::size_t n = parts.size();
  if (n < 2) return std::nullopt;
  const std::string& layer = parts[n - 2];
  std::string variable = parts[n - 1].substr(0, parts[n - 1].find(':'));
  if (variable.starts_with(layer + "_")) variable.erase(0, layer.size() + 1);
  return KerasVariable{layer, today(variable)};
}

}  // namespace

std::vector<KerasVariable> keras_variables(const WeightFile& file) {
  const std::map<std::string, std::string> notes(file.notes.begin(), file.notes.end());
  std::vector<KerasVariable> result;
  for (const FileTensor& tensor : file.tensors) {
    const auto parts = split(tensor.name);
    auto variable = keras3_variable(parts, notes);
    const bool scheme3 = parts.size() >= 2 && parts[parts.size() - 2] == "vars";
    if (!variable && !scheme3) variable = tf_keras_variable(parts);
    SEPIA_CHECK_KIND(variable, ErrorKind::kData, file.source, ": ", detail::printable(tensor.name), " is no weight of a layer that Keras' Xception has");
    result.push_back(std::move(*variable));
  }
  return result;
}

}  // namespace sepia::convert
