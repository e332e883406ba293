#include "models/model.h"

#include <functional>

#include "models/edgenet.h"
#include "models/simplenet.h"
#include "models/xception.h"

namespace sepia::models {
namespace {

struct Entry {
  ModelSpec spec;  ///< the defaults
  std::function<std::unique_ptr<nn::Module>(const ModelSpec&)> make;
};

XceptionOptions xception_options(const ModelSpec& spec, bool deep_head) {
  return {.classes = spec.classes, .deep_head = deep_head,
          .numerics = spec.numerics == "keras" ? XceptionNumerics::keras() : XceptionNumerics::pytorch()};
}

const std::vector<Entry>& catalogue() {
  static const ops::Normalisation kHalf{.mean = {0.5, 0.5, 0.5}, .std = {0.5, 0.5, 0.5}};
  static const std::vector<Entry> entries{
      {{.name = "simplenet", .explained_layer = "conv3", .backbone = "simplenet", .head = "fc1"},
       [](const ModelSpec& spec) { return std::make_unique<SimpleNet>(spec.image_size, spec.classes); }},
      {{.name = "edgenet", .explained_layer = "blocks.2", .backbone = "edgenet", .head = "fc1"},
       [](const ModelSpec& spec) { return std::make_unique<EdgeNet>(spec.classes); }},
      {{.name = "xception", .classes = 1000, .normalisation = kHalf, .explained_layer = "act4", .backbone = "xception", .head = "fc"},
       [](const ModelSpec& spec) { return std::make_unique<Xception>(xception_options(spec, false)); }},
      {{.name = "xception_based", .normalisation = kHalf, .explained_layer = "act4", .backbone = "xception", .head = "fc"},
       [](const ModelSpec& spec) { return std::make_unique<Xception>(xception_options(spec, true)); }},
  };
  return entries;
}

const Entry& entry(const std::string& name) {
  std::string known;
  for (const Entry& candidate : catalogue()) {
    if (candidate.spec.name == name) return candidate;
    known += (known.empty() ? "" : ", ") + candidate.spec.name;
  }
  fail(ErrorKind::kUsage, "there is no network '", name, "'; known networks: ", known);
}

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& candidate : catalogue()) names.push_back(candidate.spec.name);
  return names;
}

ModelSpec default_spec(const std::string& name) { return entry(name).spec; }

bool has_numerics(const std::string& name, const std::string& numerics) {
  return numerics == "pytorch" || (numerics == "keras" && name.starts_with("xception"));
}

std::unique_ptr<nn::Module> make_model(const ModelSpec& spec) {
  SEPIA_CHECK(spec.classes >= 2, "a classifier needs at least 2 classes, got ", spec.classes);
  const Entry& known = entry(spec.name);
  SEPIA_CHECK(has_numerics(spec.name, spec.numerics), spec.name, " has no numerics '", spec.numerics,
              "'; xception has pytorch and keras, the other networks have only pytorch");
  return known.make(spec);
}

}  // namespace sepia::models
