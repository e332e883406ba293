#include "engine/train/transfer.h"

#include <algorithm>
#include <map>
#include <optional>

#include "engine/base/error.h"
#include "engine/io/file_layout.h"
#include "engine/nn/layers.h"

namespace sepia::train {
namespace {

bool is_in(const std::string& name, const std::string& layer) { return name.starts_with(layer + "."); }

std::string layer_of(const std::string& parameter) { return parameter.substr(0, parameter.rfind('.')); }

/// The layers that a person would name: the first component of every parameter's path, once each.
std::string layer_names(nn::Module& model) {
  std::string names, last;
  for (const auto& [name, parameter] : model.named_parameters()) {
    const std::string first = name.substr(0, name.find('.'));
    if (first != last) names += (names.empty() ? "" : ", ") + first;
    last = first;
  }
  return names;
}

/// How many parameters, from the first one on, are frozen.
std::size_t frozen_count(nn::Module& model, const std::string& freeze, const std::string& head) {
  constexpr const char* kUpTo = "up-to:";
  const auto parameters = model.named_parameters();
  if (freeze == "none") return 0;
  if (freeze == "backbone") {
    const auto first = std::ranges::find_if(parameters, [&](const auto& named) { return is_in(named.first, head); });
    SEPIA_CHECK_KIND(first != parameters.end(), ErrorKind::kInternal, "[freeze] the network has no head named '", head, "'");
    return static_cast<std::size_t>(first - parameters.begin());
  }
  SEPIA_CHECK(freeze.starts_with(kUpTo), "--freeze must be none, backbone or up-to:LAYER; got '", freeze, "'; layers: ", layer_names(model));
  const std::string layer = freeze.substr(std::char_traits<char>::length(kUpTo));
  const auto last = std::find_if(parameters.rbegin(), parameters.rend(), [&](const auto& named) { return is_in(named.first, layer); });
  SEPIA_CHECK(last != parameters.rend(), "--freeze ", freeze, ": there is no layer '", layer, "' with weights; layers: ", layer_names(model));
  return static_cast<std::size_t>(parameters.rend() - last);
}

std::vector<std::int64_t> without_ones(std::vector<std::int64_t> shape) {
  std::erase(shape, 1);
  return shape;
}

/// The outermost layers of the head: the one named and all that come after it.
std::vector<std::string> head_roots(nn::Module& model, const std::string& head) {
  std::vector<std::string> roots;
  for (const auto& [name, parameter] : model.named_parameters()) {
    const std::string root = name.substr(0, name.find('.'));
    const bool begun = !roots.empty() || root == head;
    if (begun && (roots.empty() || roots.back() != root)) roots.push_back(root);
  }
  return roots;
}

bool is_in_any(const std::string& name, const std::vector<std::string>& layers) {
  return std::ranges::any_of(layers, [&](const std::string& layer) { return is_in(name, layer); });
}

/// Of every layer of the head, the layer of the file that it takes; none where the file has nothing that fits.
std::map<std::string, std::optional<std::string>> head_sources(const SafetensorsFile& file, nn::Module& model, const PretrainedParams& params,
                                                                         const std::vector<std::string>& roots) {
  std::map<std::string, std::optional<std::string>> sources;
  std::map<std::string, std::vector<std::pair<std::string, nn::Parameter*>>> layers;
  for (const auto& [name, parameter] : model.named_parameters()) {
    if (is_in_any(name, roots)) layers[layer_of(name)].emplace_back(name.substr(layer_of(name).size()), parameter);
  }
  for (const auto& [layer, parts] : layers) {
    sources[layer] = std::nullopt;
    const auto fits = [&, &parts = parts](const std::string& candidate) {
      return std::ranges::all_of(parts, [&](const auto& part) {
        const TensorEntry* entry = file.find(candidate + part.first);
        return entry != nullptr && without_ones(entry->shape) == without_ones(file_shape(*part.second));
      });
    };
    if (params.new_head) continue;
    if (fits(layer)) sources[layer] = layer;
    else if (layer == params.head + ".0" && fits(params.head)) sources[layer] = params.head;
  }
  return sources;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

void freeze_layers(nn::Module& model, const std::string& freeze, const std::string& head) {
  const std::size_t count = frozen_count(model, freeze, head);
  const auto parameters = model.named_parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].second->trainable = i >= count;
  for (const auto& [name, module] : model.named_modules()) {
    if (auto* norm = dynamic_cast<nn::BatchNorm2d*>(module)) norm->freeze(!norm->named_parameters().front().second->trainable);
  }
}

ParameterCounts count_parameters(nn::Module& model) {
  ParameterCounts counts;
  for (const auto& [name, parameter] : model.named_parameters()) (parameter->trainable ? counts.trainable : counts.frozen) += parameter->shape.numel();
  return counts;
}

std::string PretrainedReport::summary() const {
  return loaded.summary() + (drawn_anew.empty() ? "" : "; drawn anew: " + joined(drawn_anew)) +
         (left_out.empty() ? "" : "; left out of the file: " + joined(left_out));
}

PretrainedReport load_pretrained(const SafetensorsFile& file, nn::Module& model, const PretrainedParams& params) {
  const std::vector<std::string> roots = head_roots(model, params.head);
  const auto sources = head_sources(file, model, params, roots);
  PretrainedReport report;
  std::vector<std::string> used;
  for (const auto& [layer, source] : sources) source ? used.push_back(*source) : report.drawn_anew.push_back(layer);
  LoadParams load;
  load.source_name = [&](const std::string& name) -> std::string {
    const auto found = sources.find(layer_of(name));
    if (found == sources.end()) return name;
    return found->second ? *found->second + name.substr(found->first.size()) : "";
  };
  for (const TensorEntry& entry : file.entries()) {
    const bool is_used = std::ranges::count(used, layer_of(entry.name)) > 0;
    if (is_in_any(entry.name, roots) && !is_used) report.left_out.push_back(entry.name);
  }
  for (const std::string& root : roots) load.ignored_prefixes.push_back(root + ".");
  load.allow_unexpected = false;
  report.loaded = load_weights(file, model, load);
  return report;
}

}  // namespace sepia::train
