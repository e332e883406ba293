// Tensor names of PyTorch checkpoints, as sepia's networks have them.
#pragma once

#include <string>
#include <vector>

#include "engine/io/weights.h"

namespace sepia::convert {

/// A network's last layers: what a new task replaces, and where the number of classes shows.
struct HeadNames {
  std::string prefix;  ///< of every tensor of the head
  std::string last;    ///< the layer that gives the logits: "fc.6"
};

/// The head of one of sepia's networks.
HeadNames head_names(const std::string& architecture);

/// Renamed tensors, and the names of those that are known not to reach the logits.
struct NamedTensors {
  std::vector<FileTensor> tensors;
  std::vector<std::string> ignored;
};

/// The name of a checkpoint's tensor in sepia's network: the prefixes module., backbone., model. and net. go, in any number and order (left
/// by DataParallel and by detectors that hold the network as a member); the head of the Xceptions by Cadene, DeepfakeBench and
/// FaceForensics++ (last_linear, last_linear.1) becomes fc.
std::string torch_name(std::string name, const std::string& architecture);

/// Renames all. `adjust_channel.*` (DeepfakeBench's Xception, beside the way to the logits) is ignored. kData, beginning with `source`,
/// when two tensors get one name.
NamedTensors torch_names(std::vector<FileTensor> tensors, const std::string& architecture, const std::string& source);

}  // namespace sepia::convert
