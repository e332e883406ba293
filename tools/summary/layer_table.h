// A network layer by layer: shapes, parameters and cost of one picture, as its forward pass really goes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/module.h"

namespace sepia::tools {

/// One leaf module, in the order of the forward pass. Shapes are (N, H, W, C) or (N, features) with N = 1.
struct LayerRow {
  std::string name;   ///< dotted path, PyTorch's
  std::string type;   ///< "Conv2d"
  std::string stage;  ///< the block it stands in ("blocks.0"), or stem, features, tail or head outside of blocks
  Shape input_shape, output_shape;
  std::int64_t params = 0;
  std::int64_t trainable_params = 0;  ///< of these; none in a frozen layer
  std::int64_t flops = 0;             ///< 2 per multiply-add
  std::int64_t activation_bytes = 0;  ///< of its output, fp32
};

struct LayerTable {
  std::string model;
  Shape input_shape;  ///< (1, H, W, 3)
  std::int64_t total_params = 0;
  std::int64_t trainable_params = 0;
  std::int64_t flops = 0;
  std::int64_t activation_bytes = 0;
  std::vector<LayerRow> layers = {};
};

/// Runs the (placed, fp32) model once on a black picture of side `image_size`, in evaluation mode, and records every leaf.
LayerTable layer_table(const std::string& name, nn::Module& model, std::int64_t image_size);

/// How two networks differ: layers by name whose parameters changed, came or went.
struct LayerDifference {
  std::string name;
  std::int64_t params = 0;        ///< in the first network, 0 when absent
  std::int64_t other_params = 0;  ///< in the second, 0 when absent
};
std::vector<LayerDifference> layer_differences(const LayerTable& table, const LayerTable& other);

}  // namespace sepia::tools
