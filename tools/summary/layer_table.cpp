#include "tools/summary/layer_table.h"

#include <algorithm>
#include <map>

#include "engine/ops/materialise.h"

namespace sepia::tools {
namespace {

/// The outermost numbered or plain block around a leaf: "blocks.0" of "blocks.0.bn", "block1" of "block1.rep.0.conv1".
std::string block_of(const std::string& path) {
  const std::size_t first = path.find('.');
  const std::size_t second = path.find('.', first + 1);
  if (second == std::string::npos) return path.substr(0, first);
  const std::string inner = path.substr(first + 1, second - first - 1);
  const bool numbered = inner.find_first_not_of("0123456789") == std::string::npos;
  return numbered ? path.substr(0, second) : path.substr(0, first);
}

void name_stages(std::vector<LayerRow>& rows) {
  const auto in_block = [](const LayerRow& row) { return row.name.find('.') != std::string::npos; };
  const bool has_blocks = std::any_of(rows.begin(), rows.end(), in_block);
  bool seen_block = false;
  bool in_head = false;
  for (LayerRow& row : rows) {
    in_head = in_head || row.type == "Flatten" || row.type == "GlobalAvgPool";
    if (in_head) {
      row.stage = "head";
    } else if (in_block(row)) {
      row.stage = block_of(row.name);
      seen_block = true;
    } else {
      row.stage = !has_blocks ? "features" : seen_block ? "tail" : "stem";
    }
  }
}

}  // namespace

LayerTable layer_table(const std::string& name, nn::Module& model, std::int64_t image_size) {
  LayerTable table{.model = name, .input_shape = Shape({1, image_size, image_size, 3})};
  std::map<const nn::Module*, std::string> paths;
  for (const auto& [path, module] : model.named_modules()) paths[module] = path;
  std::map<std::string, std::int64_t> params, trainable;
  for (const auto& [path, parameter] : model.named_parameters()) {
    params[path.substr(0, path.rfind('.'))] += parameter->shape.numel();
    table.total_params += parameter->shape.numel();
    if (!parameter->trainable) continue;
    trainable[path.substr(0, path.rfind('.'))] += parameter->shape.numel();
    table.trainable_params += parameter->shape.numel();
  }

  const bool was_training = model.training();
  model.eval();
  {
    const NoGradGuard no_grad;
    const nn::ModuleObserver observer([&](nn::Module& module, const Shape& input, const Shape& output) {
      if (!module.is_leaf()) return;
      const std::string& path = paths.at(&module);
      table.layers.push_back({.name = path,
                              .type = module.type(),
                              .stage = "",
                              .input_shape = input,
                              .output_shape = output,
                              .params = params.contains(path) ? params.at(path) : 0,
                              .trainable_params = trainable.contains(path) ? trainable.at(path) : 0,
                              .flops = module.flops(input, output),
                              .activation_bytes = output.numel() * static_cast<std::int64_t>(dtype_size(DType::kF32))});
    });
    model(Variable(Tensor::zeros(table.input_shape, model.dtype(), model.device())));
  }
  model.train(was_training);

  name_stages(table.layers);
  for (const LayerRow& row : table.layers) {
    table.flops += row.flops;
    table.activation_bytes += row.activation_bytes;
  }
  return table;
}

std::vector<LayerDifference> layer_differences(const LayerTable& table, const LayerTable& other) {
  std::vector<LayerDifference> differences;
  const auto find = [](const LayerTable& in, const std::string& name) {
    return std::find_if(in.layers.begin(), in.layers.end(), [&](const LayerRow& row) { return row.name == name; });
  };
  for (const LayerRow& row : table.layers) {
    const auto twin = find(other, row.name);
    const std::int64_t other_params = twin == other.layers.end() ? 0 : twin->params;
    if (row.params != other_params) differences.push_back({row.name, row.params, other_params});
  }
  for (const LayerRow& row : other.layers) {
    if (row.params != 0 && find(table, row.name) == table.layers.end()) differences.push_back({row.name, 0, row.params});
  }
  return differences;
}

}  // namespace sepia::tools
