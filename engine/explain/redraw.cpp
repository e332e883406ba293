#include "engine/explain/redraw.h"

#include <algorithm>
#include <cctype>

#include "engine/nn/flat_parameters.h"
#include "engine/nn/layers.h"

namespace sepia::explain {
namespace {

/// "blocks.2" of "blocks.2.bn.weight", "block12" of "block12.rep.4.pointwise.weight", "conv1" of "conv1.bias".
std::string part_of(const std::string& parameter) {
  const std::size_t first = parameter.find('.');
  const std::size_t second = first == std::string::npos ? first : parameter.find('.', first + 1);
  if (second == std::string::npos) return parameter.substr(0, first);
  const bool numbered = std::all_of(parameter.begin() + static_cast<std::ptrdiff_t>(first) + 1, parameter.begin() + static_cast<std::ptrdiff_t>(second),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
  return parameter.substr(0, numbered ? second : first);
}

}  // namespace

Redraw::Redraw(nn::Module& model, std::uint64_t seed) : model_(model) {
  nn::FlatParameters& flat = model.flat();
  kept_weights_ = flat.weights().clone();
  kept_statistics_ = flat.running_statistics().clone();
  for (const auto& [name, module] : model.named_modules()) {
    if (const auto* norm = dynamic_cast<nn::BatchNorm2d*>(module)) batches_tracked_.emplace_back(name, norm->batches_tracked());
  }
  for (const auto& [name, parameter] : model.named_parameters()) {
    const std::string part = part_of(name);
    if (std::ranges::find(layers_, part) == layers_.end()) layers_.insert(layers_.begin(), part);
  }
  flat.initialise(seed);
  fresh_weights_ = flat.weights().clone();
  restore();
}

Redraw::~Redraw() { restore(); }

void Redraw::redraw(const std::string& layer) {
  for (const auto& [name, parameter] : model_.named_parameters()) {
    if (part_of(name) == layer) parameter->master.copy_from(fresh_weights_.slice(parameter->offset, parameter->shape));
  }
  for (const auto& [name, buffer] : model_.named_buffers()) {
    if (part_of(name) != layer) continue;
    const std::vector<double> start(static_cast<std::size_t>(buffer->shape.numel()), buffer->initial);
    buffer->value.copy_from(tensor_from_doubles(start, buffer->shape, buffer->value.dtype(), buffer->value.device()));
  }
  model_.flat().round_weights();
}

void Redraw::redraw_all() {
  for (const std::string& layer : layers_) redraw(layer);
}

void Redraw::restore() {
  nn::FlatParameters& flat = model_.flat();
  flat.weights().copy_from(kept_weights_);
  flat.running_statistics().copy_from(kept_statistics_);
  flat.round_weights();
  for (const auto& [name, count] : batches_tracked_) dynamic_cast<nn::BatchNorm2d&>(model_.at(name)).set_batches_tracked(count);
}

}  // namespace sepia::explain
