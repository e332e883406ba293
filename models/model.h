// The catalogue of networks: name -> module, and what a model file says about its input.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/nn/module.h"
#include "engine/ops/images.h"

namespace sepia::models {

/// What, besides its weights, makes a model: enough to build it and to feed it.
struct ModelSpec {
  std::string name = "edgenet";
  std::int64_t image_size = 256;
  std::int64_t classes = 2;
  ops::Normalisation normalisation{};
  std::string numerics = "pytorch";  ///< or "keras": batch norm's eps and the padding of pooling, for weights trained there
  std::string explained_layer;       ///< whose output Grad-CAM looks at by default: the last convolutional one
  std::string backbone;              ///< networks that name the same one here can take each other's weights, but for the head
  std::string head;                  ///< the first layer of the head: what transfer learning replaces. All before it is the backbone
};

/// The names that make_model knows.
std::vector<std::string> model_names();
/// The document's settings for a network (normalisation, image size, classes: 1000 for xception, whose published weights are
/// ImageNet's, and 2 for the detectors). Throws kUsage for an unknown name and lists the known ones.
ModelSpec default_spec(const std::string& name);
/// Whether the network can compute as weights from there expect it ("pytorch", "keras").
bool has_numerics(const std::string& name, const std::string& numerics);
/// An unplaced network: call place() on it. Throws kUsage when the spec does not fit the network.
std::unique_ptr<nn::Module> make_model(const ModelSpec& spec);

}  // namespace sepia::models
