// sepia convert: the weight files of PyTorch, Keras and Hugging Face as sepia's.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "engine/base/error.h"
#include "models/model.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/commands/commands.h"
#include "tools/convert/convert.h"

namespace sepia::cli {
namespace {

struct ConvertOptions {
  std::string input, output, arch, key, label_order, numerics;
  int classes = 0;     ///< 0: what the file has
  int image_size = 0;  ///< 0: the model's own
  std::uint64_t seed = 0;
  bool new_head = false, overwrite = false, json = false;
};

/// The names on one line, cut after a dozen.
std::string list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > kShown ? fmt::format("{}, ... ({} in all)", text, names.size()) : text;
}

std::string notes_line(const std::vector<FileNote>& notes) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : notes) {
    if (!name.ends_with("vars@name")) parts.push_back(name + " = " + value);  // layers' names, of no use to people
  }
  return list(parts);
}

void print_report(const ConvertOptions& options, const convert::ConvertReport& report) {
  fmt::print("{}: {}, sha256 {}\n", options.input, format_name(report.format), report.input_sha256);
  if (!report.key.empty()) fmt::print("  state dict under '{}'\n", report.key);
  if (const std::string notes = notes_line(report.notes); !notes.empty()) fmt::print("  beside the tensors: {}\n", notes);
  if (!report.skipped.empty()) fmt::print("  skipped: {}\n", list(report.skipped));
  if (!report.ignored.empty()) fmt::print("  ignored, as they do not reach the logits: {}\n", list(report.ignored));
  fmt::print("  {} tensors loaded, {} missing, {} unexpected\n", report.loaded, report.missing.size(), report.unexpected.size());
  if (!report.missing.empty()) fmt::print("  new, drawn from seed {}: {}\n", options.seed, list(report.missing));
  if (!report.unexpected.empty()) fmt::print("  not part of {}, left out: {}\n", report.info.model, list(report.unexpected));
  fmt::print("{}: {}, {} parameters, {} outputs, {} numerics, sha256 {}\n", options.output, report.info.model, grouped(report.parameters), report.info.classes,
             report.info.numerics, report.output_sha256);
}

nlohmann::ordered_json report_json(const ConvertOptions& options, const convert::ConvertReport& report) {
  nlohmann::ordered_json notes = nlohmann::ordered_json::object();
  for (const auto& [name, value] : report.notes) notes[name] = value;
  return {{"input", options.input},
          {"format", format_name(report.format)},
          {"input_sha256", report.input_sha256},
          {"key", report.key},
          {"values", notes},
          {"skipped", report.skipped},
          {"ignored", report.ignored},
          {"loaded", report.loaded},
          {"missing", report.missing},
          {"unexpected", report.unexpected},
          {"output", options.output},
          {"output_sha256", report.output_sha256},
          {"model", report.info.model},
          {"parameters", report.parameters},
          {"classes", report.info.classes},
          {"numerics", report.info.numerics}};
}

int run_convert(const ConvertOptions& options) {
  std::error_code ignored;
  SEPIA_CHECK(options.overwrite || !std::filesystem::exists(options.output, ignored), options.output, ": exists already; choose another name or add --overwrite");
  const convert::ConvertReport report = convert::convert_weights({.input = options.input,
                                                                  .output = options.output,
                                                                  .architecture = options.arch,
                                                                  .classes = options.classes,
                                                                  .image_size = options.image_size,
                                                                  .key = options.key,
                                                                  .label_order = options.label_order,
                                                                  .numerics = options.numerics,
                                                                  .new_head = options.new_head,
                                                                  .seed = options.seed});
  options.json ? print_json(report_json(options, report)) : print_report(options, report);
  return 0;
}

}  // namespace

void add_convert_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<ConvertOptions>();
  CLI::App& command = session.add_command(app, "convert", "Convert weights of PyTorch, timm or Keras to a .safetensors file",
                                          "sepia convert xception.pth xception.safetensors --arch xception\n"
                                          "sepia convert model.safetensors xception.safetensors --arch xception   # from Hugging Face\n"
                                          "sepia convert xception.weights.h5 xception.safetensors --arch xception # from Keras\n"
                                          "sepia convert ckpt.pth w.safetensors --arch edgenet --key ema    # a state dict under another name\n"
                                          "sepia convert detector.pth d.safetensors --arch xception --label-order fake,real");
  command.add_option("IN", options->input, "A .pth, .pt, .safetensors, .h5 or .weights.h5 file")->required();
  command.add_option("OUT", options->output, "The file to write; its name ends in .safetensors")->required();
  add_arch_option(command, options->arch);
  add_whole(command, "--classes", options->classes, 2, 100000, "Outputs that the head must have, or gets with --new-head")->default_str("the file's");
  add_image_size_option(command, options->image_size)->default_str("the model's");
  command.add_option("--key", options->key, "Where in a checkpoint the state dict is")->type_name("KEY")->default_str("model, state_dict, model_state_dict, net or the top");
  command.add_option("--label-order", options->label_order, "Order of a detector's two outputs in the file; sepia's is real,fake")
      ->check(CLI::IsMember({"real,fake", "fake,real"}))
      ->type_name("A,B")
      ->default_str("real,fake");
  command.add_option("--numerics", options->numerics, "Whose batch norm eps and pooling the weights expect: pytorch or keras")
      ->check(CLI::IsMember({"pytorch", "keras"}))
      ->type_name("NAME")
      ->default_str("by the kind of file");
  command.add_flag("--new-head", options->new_head, "Draw the head anew from --seed instead of taking the file's");
  add_seed_option(command, options->seed);
  command.add_flag("--overwrite", options->overwrite, "Replace OUT");
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_convert(*options); });
}

}  // namespace sepia::cli
