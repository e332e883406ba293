// sepia summary: a network as a table of layers.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "data/dataset.h"
#include "engine/base/error.h"
#include "engine/train/transfer.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/commands/commands.h"
#include "tools/summary/layer_table.h"
#include "tools/summary/step_memory.h"

namespace sepia::cli {
namespace {

struct SummaryOptions {
  std::string model;
  std::string other;
  std::string arch;
  int image_size = 0;  ///< 0: the model's own
  int classes = 0;
  int batch_size = 32;
  std::string freeze = "none";
  bool json = false;
};

/// A network's table, and what training it takes where it can be trained.
struct Summary {
  tools::LayerTable table;
  std::optional<tools::StepMemory> memory;
  std::string no_memory;  ///< why not
};

Summary summary_of(const std::string& name, const SummaryOptions& options, bool with_memory) {
  LoadedModel model =
      load_model(name, {.architecture = options.arch, .image_size = options.image_size, .classes = options.classes, .needs_weights = false});
  train::freeze_layers(*model.module, options.freeze, model.spec.head);
  Summary summary{.table = tools::layer_table(model.spec.name, *model.module, model.spec.image_size), .memory = {}, .no_memory = {}};
  if (!with_memory) return summary;
  if (model.spec.classes != kClassCount) {
    summary.no_memory = fmt::format("training is for detectors, which have 2 outputs; this network has {}", model.spec.classes);
  } else if (summary.table.trainable_params == 0) {
    summary.no_memory = "every layer is frozen";
  } else {
    summary.memory = tools::step_memory(*model.module, static_cast<int>(model.spec.image_size), options.batch_size);
  }
  return summary;
}

/// Without the batch extent, which is 1 throughout: "128x128x32".
std::string picture_shape(const Shape& shape) {
  std::string text;
  for (const std::int64_t extent : shape.extents().subspan(1)) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

void print_memory(const Summary& summary) {
  if (!summary.memory) return fmt::print("memory of a training step: none, {}\n", summary.no_memory);
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  const tools::StepMemory& memory = *summary.memory;
  fmt::print("a training step of {} pictures takes {:.1f} MiB: {:.1f} for weights, gradients and moments, {:.1f} for what it keeps and makes\n", memory.batch,
             mib(memory.total()), mib(memory.state_bytes), mib(memory.step_bytes));
}

nlohmann::ordered_json memory_json(const Summary& summary) {
  if (!summary.memory) return nullptr;
  return {{"batch", summary.memory->batch},
          {"state_bytes", summary.memory->state_bytes},
          {"step_bytes", summary.memory->step_bytes},
          {"total_bytes", summary.memory->total()}};
}

void print_table(const tools::LayerTable& table) {
  constexpr const char* kRow = "{:<24} {:<16} {:<9} {:>13} {:>13} {:>12} {:>14} {:>12} {}\n";
  fmt::print(kRow, "layer", "type", "stage", "input", "output", "parameters", "FLOPs", "bytes", "");
  for (const tools::LayerRow& row : table.layers) {
    fmt::print(kRow, row.name, row.type, row.stage, picture_shape(row.input_shape), picture_shape(row.output_shape), grouped(row.params),
               grouped(row.flops), grouped(row.activation_bytes), row.trainable_params < row.params ? "frozen" : "");
  }
  fmt::print(kRow, table.model, "", "", picture_shape(table.input_shape), "", grouped(table.total_params), grouped(table.flops),
             grouped(table.activation_bytes), "");
  fmt::print("{} parameters, {} of them trainable; one picture of {}; FLOPs are 2 per multiply-add; bytes of outputs in fp32\n",
             grouped(table.total_params), grouped(table.trainable_params), picture_shape(table.input_shape));
}

void print_difference(const tools::LayerTable& table, const tools::LayerTable& other) {
  for (const tools::LayerDifference& d : tools::layer_differences(table, other)) {
    fmt::print("  {:<24} {:>12} {:>12} {:>13}\n", d.name, grouped(d.params), grouped(d.other_params), grouped(d.params - d.other_params, true));
  }
  fmt::print("{} - {} = {}\n", table.model, other.model, grouped(table.total_params - other.total_params, true));
}

nlohmann::ordered_json shape_json(const Shape& shape) {
  return nlohmann::ordered_json(std::vector<std::int64_t>(shape.extents().begin(), shape.extents().end()));
}

nlohmann::ordered_json table_json(const tools::LayerTable& table) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const tools::LayerRow& row : table.layers) {
    layers.push_back({{"name", row.name},
                      {"type", row.type},
                      {"stage", row.stage},
                      {"input_shape", shape_json(row.input_shape)},
                      {"output_shape", shape_json(row.output_shape)},
                      {"params", row.params},
                      {"trainable_params", row.trainable_params},
                      {"flops", row.flops},
                      {"activation_bytes", row.activation_bytes}});
  }
  return {{"model", table.model},
          {"input_shape", shape_json(table.input_shape)},
          {"layout", "NHWC"},
          {"total_params", table.total_params},
          {"trainable_params", table.trainable_params},
          {"total_flops", table.flops},
          {"total_activation_bytes", table.activation_bytes},
          {"layers", layers}};
}

nlohmann::ordered_json difference_json(const tools::LayerTable& table, const tools::LayerTable& other) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const tools::LayerDifference& d : tools::layer_differences(table, other)) {
    layers.push_back({{"name", d.name}, {"params", d.params}, {"other_params", d.other_params}});
  }
  return {{"other", other.model}, {"other_params", other.total_params}, {"params_difference", table.total_params - other.total_params}, {"layers", layers}};
}

int run_summary(const SummaryOptions& options) {
  const bool compares = !options.other.empty();
  const Summary summary = summary_of(options.model, options, !compares);
  const tools::LayerTable& table = summary.table;
  nlohmann::ordered_json json = table_json(table);
  if (!compares) {
    json["training_memory"] = memory_json(summary);
    if (!summary.memory) json["training_memory_reason"] = summary.no_memory;
  }
  if (!options.json && !compares) {
    print_table(table);
    print_memory(summary);
  }
  if (compares) {
    const tools::LayerTable other = summary_of(options.other, options, false).table;
    json["diff"] = difference_json(table, other);
    if (!options.json) print_difference(table, other);
  }
  if (options.json) print_json(json);
  return 0;
}

}  // namespace

void add_summary_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<SummaryOptions>();
  CLI::App& command = session.add_command(app, "summary", "Print a network layer by layer: shapes, parameters, cost",
                                          "sepia summary edgenet\n"
                                          "sepia summary run                           # what a run has trained\n"
                                          "sepia summary simplenet --image-size 128\n"
                                          "sepia summary xception_based --diff xception\n"
                                          "sepia summary xception_based --freeze backbone\n"
                                          "sepia summary edgenet --json");
  command.add_option("MODEL", options->model, kModelHelp)->required();
  command.add_option("--diff", options->other, "Print how MODEL differs from this model")->type_name("OTHER");
  add_arch_option(command, options->arch);
  add_image_size_option(command, options->image_size)->default_str("the model's");
  add_whole(command, "--classes", options->classes, 2, 100000, "Outputs of the network")->default_str("the model's");
  add_batch_size_option(command, options->batch_size)->description("Pictures of the training step whose memory is told");
  command.add_option("--freeze", options->freeze, "Show what train would leave as it is: none, backbone or up-to:LAYER");
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_summary(*options); });
}

}  // namespace sepia::cli
