#include "models/model.h"

#include <functional>

#include "models/edgenet.h"
#include "models/simplenet.h"

namespace sepia::models {
namespace {

struct Entry {
  std::string name;
  std::string explained_layer;
  std::function<std::unique_ptr<nn::Module>(const ModelSpec&)> make;
};

const std::vector<Entry>& catalogue() {
  static const std::vector<Entry> entries{
      {"simplenet", "conv3", [](const ModelSpec& spec) { return std::make_unique<SimpleNet>(spec.image_size, spec.classes); }},
      {"edgenet", "blocks.2", [](const ModelSpec& spec) { return std::make_unique<EdgeNet>(spec.classes); }},
  };
  return entries;
}

const Entry& entry(const std::string& name) {
  std::string known;
  for (const Entry& candidate : catalogue()) {
    if (candidate.name == name) return candidate;
    known += (known.empty() ? "" : ", ") + candidate.name;
  }
  fail(ErrorKind::kUsage, "there is no network '", name, "'; known networks: ", known);
}

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& candidate : catalogue()) names.push_back(candidate.name);
  return names;
}

ModelSpec default_spec(const std::string& name) { return {.name = name, .explained_layer = entry(name).explained_layer}; }

std::unique_ptr<nn::Module> make_model(const ModelSpec& spec) {
  SEPIA_CHECK(spec.classes >= 2, "a classifier needs at least 2 classes, got ", spec.classes);
  return entry(spec.name).make(spec);
}

}  // namespace sepia::models
