#include "tools/convert/keras_names.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "engine/base/error.h"
#include "engine/io/safetensors_header.h"

namespace sepia::convert {
namespace {

/// "block12_sepconv3" -> 12 and 3 for the infix "_sepconv"; nothing for other names.
std::optional<std::pair<int, int>> block_and_place(const std::string& layer, const std::string& infix) {
  int block = 0, place = 0;
  const char *const begin = layer.data(), *const end = begin + layer.size();
  if (!layer.starts_with("block")) return std::nullopt;
  const auto [after_block, block_error] = std::from_chars(begin + 5, end, block);
  if (block_error != std::errc() || !std::string_view(after_block, end).starts_with(infix)) return std::nullopt;
  const auto [after_place, place_error] = std::from_chars(after_block + infix.size(), end, place);
  return place_error == std::errc() && after_place == end ? std::optional(std::pair(block, place)) : std::nullopt;
}

/// The module in PyTorch's Xception of a convolution with a name of its own, and of the batch norm that follows it.
struct Modules {
  std::string convolution, norm;
};

std::optional<Modules> modules_of(const std::string& layer) {
  if (const auto at = block_and_place(layer, "_conv"); at && at->first == 1 && (at->second == 1 || at->second == 2)) {
    const std::string number = std::to_string(at->second);
    return Modules{"conv" + number, "bn" + number};
  }
  const auto at = block_and_place(layer, "_sepconv");
  if (!at) return std::nullopt;
  const auto [block, place] = *at;
  const int count = block >= 5 && block <= 12 ? 3 : 2;
  if (block < 2 || block > 14 || place < 1 || place > count) return std::nullopt;
  if (block == 14) return Modules{"conv" + std::to_string(place + 2), "bn" + std::to_string(place + 2)};
  // ReLU, convolution, batch norm in turn; only the first block begins without the ReLU.
  const int index = 3 * (place - 1) + (block == 2 ? 0 : 1);
  const std::string rep = "block" + std::to_string(block - 1) + ".rep.";
  return Modules{rep + std::to_string(index), rep + std::to_string(index + 1)};
}

/// The number at the end of an automatic name ("conv2d_7" of "conv2d"), 0 without one; nothing for other names.
std::optional<int> automatic_number(const std::string& layer, const std::string& kind) {
  if (layer == kind) return 0;
  int number = 0;
  if (!layer.starts_with(kind + "_")) return std::nullopt;
  const auto [end, error] = std::from_chars(layer.data() + kind.size() + 1, layer.data() + layer.size(), number);
  return error == std::errc() && end == layer.data() + layer.size() ? std::optional(number) : std::nullopt;
}

/// Keras numbers automatic names through a whole session: only their order means something.
std::map<std::string, std::string> skip_layers(const std::vector<KerasVariable>& variables, const std::string& kind, const std::string& module, const std::string& source) {
  std::set<std::pair<int, std::string>> found;
  for (const KerasVariable& variable : variables) {
    if (const auto number = automatic_number(variable.layer, kind)) found.emplace(*number, variable.layer);
  }
  constexpr const char* kBlocks[] = {"block1.", "block2.", "block3.", "block12."};
  SEPIA_CHECK_KIND(found.size() == std::size(kBlocks), ErrorKind::kData, source, ": has ", found.size(), " layers named ", kind,
                   "_N, Keras' Xception has 4; is it another network?");
  std::map<std::string, std::string> result;
  std::size_t i = 0;
  for (const auto& [number, layer] : found) result[layer] = kBlocks[i++] + module;
  return result;
}

/// Axes of the file in the order that PyTorch wants; the dimensions of the result.
FileTensor permuted(FileTensor tensor, const std::vector<std::size_t>& axes, const std::string& shown) {
  SEPIA_CHECK_KIND(tensor.shape.size() == axes.size(), ErrorKind::kData, shown, " is ", detail::shape_text(tensor.shape), ", expected ", axes.size(), " dimensions");
  const std::size_t element = dtype_size(tensor.dtype), n = axes.size();
  std::vector<std::size_t> strides(n, element);
  for (std::size_t i = n - 1; i-- > 0;) strides[i] = strides[i + 1] * static_cast<std::size_t>(tensor.shape[i + 1]);
  FileTensor result{std::move(tensor.name), tensor.dtype, {}, std::vector<std::byte>(tensor.data.size())};
  for (const std::size_t axis : axes) result.shape.push_back(tensor.shape[axis]);
  std::vector<std::int64_t> at(n, 0);
  for (std::size_t done = 0; done < result.data.size(); done += element) {
    std::size_t from = 0;
    for (std::size_t i = 0; i < n; ++i) from += static_cast<std::size_t>(at[i]) * strides[axes[i]];
    std::memcpy(result.data.data() + done, tensor.data.data() + from, element);
    for (std::size_t i = n; i-- > 0;) {
      if (++at[i] < result.shape[i]) break;
      at[i] = 0;
    }
  }
  return result;
}

/// PyTorch's name of a variable within its module, and how its axes are ordered (empty: as they are).
struct Place {
  std::string suffix;
  std::vector<std::size_t> axes;
};

std::optional<Place> norm_place(const std::string& variable) {
  if (variable == "gamma") return Place{".weight", {}};
  if (variable == "beta") return Place{".bias", {}};
  if (variable == "moving_mean") return Place{".running_mean", {}};
  if (variable == "moving_variance") return Place{".running_var", {}};
  return std::nullopt;
}

std::optional<Place> convolution_place(const std::string& variable, bool separable) {
  if (variable == "depthwise_kernel" && separable) return Place{".conv1.weight", {2, 3, 0, 1}};
  if (variable == "pointwise_kernel" && separable) return Place{".pointwise.weight", {3, 2, 0, 1}};
  if (variable == "kernel" && !separable) return Place{".weight", {3, 2, 0, 1}};
  return std::nullopt;
}

class Mapper {
 public:
  explicit Mapper(const WeightFile& file)
      : variables_(keras_variables(file)),
        skips_(skip_layers(variables_, "conv2d", "skip", file.source)),
        skip_norms_(skip_layers(variables_, "batch_normalization", "skipbn", file.source)) {}

  const KerasVariable& variable(std::size_t i) const { return variables_[i]; }

  /// Module and place of a variable; nothing when Xception has none such.
  std::optional<std::pair<std::string, Place>> operator()(const KerasVariable& v) const {
    const auto with = [](const std::string& module, std::optional<Place> place) {
      return place ? std::optional(std::pair(module, *place)) : std::nullopt;
    };
    if (const auto skip = skips_.find(v.layer); skip != skips_.end()) return with(skip->second, convolution_place(v.variable, false));
    if (const auto norm = skip_norms_.find(v.layer); norm != skip_norms_.end()) return with(norm->second, norm_place(v.variable));
    if (v.layer.ends_with("_bn")) {
      const auto modules = modules_of(v.layer.substr(0, v.layer.size() - 3));
      return modules ? with(modules->norm, norm_place(v.variable)) : std::nullopt;
    }
    if (const auto modules = modules_of(v.layer)) return with(modules->convolution, convolution_place(v.variable, v.layer.find("_sepconv") != std::string::npos));
    if (v.layer != "predictions" && !automatic_number(v.layer, "dense")) return std::nullopt;
    if (v.variable == "kernel") return std::pair("fc", Place{".weight", {1, 0}});
    if (v.variable == "bias") return std::pair("fc", Place{".bias", {}});
    return std::nullopt;
  }

 private:
  std::vector<KerasVariable> variables_;
  std::map<std::string, std::string> skips_, skip_norms_;
};

}  // namespace

NamedTensors keras_xception(const WeightFile& file) {
  const Mapper map(file);
  NamedTensors result;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const std::string shown = file.source + ": " + detail::printable(file.tensors[i].name);
    const auto target = map(map.variable(i));
    FileTensor tensor = file.tensors[i];
    if (target) {
      tensor.name = target->first + target->second.suffix;
      if (!target->second.axes.empty()) tensor = permuted(std::move(tensor), target->second.axes, shown);
    }
    SEPIA_CHECK_KIND(taken.insert(tensor.name).second, ErrorKind::kData, shown, ": there are two of ", detail::printable(tensor.name), " in this network");
    result.tensors.push_back(std::move(tensor));
  }
  return result;
}

}  // namespace sepia::convert
