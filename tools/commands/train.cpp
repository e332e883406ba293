// sepia train: a detector from pictures, with everything a run folder keeps.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/parallel_for.h"
#include "engine/train/trainer.h"
#include "engine/train/transfer.h"
#include "models/model.h"
#include "tools/cli/json.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/pretrained.h"
#include "tools/commands/train_options.h"
#include "tools/commands/train_repeat.h"
#include "tools/commands/train_run.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

std::string text_of(const fs::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxConfigBytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Resumed {
  train::TrainConfig config;
  int repeat = 1;
};

std::vector<std::string> words_after_train(const Session& session) { return {session.arguments().begin() + 2, session.arguments().end()}; }

/// The settings of the run (or repeated run) in `folder`, with what was given on this command line on top; a difference that matters is
/// an error.
Resumed resumed_settings(const fs::path& folder, const Session& session) {
  const bool repeated = fs::exists(folder / kRepeatFile);
  const fs::path path = repeated ? folder / kRepeatFile : train::RunFolder{folder}.config();
  SEPIA_CHECK_KIND(fs::exists(path), ErrorKind::kPath, path.string(), ": no such file; --resume takes the folder of a run");
  const auto whole = nlohmann::ordered_json::parse(text_of(path), nullptr, false);
  SEPIA_CHECK_KIND(whole.is_object() && whole.contains("config"), ErrorKind::kData, path.string(), ": not the settings of a run");
  const train::TrainConfig stored = train::config_from_json(whole["config"].dump(), path.string());
  const int repeat = repeated ? whole.value("repeat", 1) : 1;

  // The same command line read once more, this time on top of the stored settings.
  TrainOptions asked{.config = stored};
  asked.image_size = static_cast<int>(stored.image_size);
  asked.repeat = repeat;
  asked.device = {.device = stored.device, .precision = stored.precision, .threads = stored.threads};
  const std::string architecture = read_train_options(words_after_train(session), stored.model, asked);
  asked.config.model = architecture;
  apply_words(asked);
  asked.config.device = device_name(use_device(asked.device).device);
  asked.config.precision = asked.device.precision;
  asked.config.threads = asked.device.threads;
  SEPIA_CHECK(asked.repeat == repeat, "--resume ", folder.string(), ": it was begun with --repeat ", repeat, ", this command asks for ", asked.repeat,
              "; leave the option out, or start a new run");
  if (const auto conflict = train::resume_conflict(stored, asked.config)) {
    fail(ErrorKind::kUsage, "--resume ", folder.string(), ": the run has ", conflict->key, " = ", conflict->ours, ", this command asks for ",
         conflict->theirs, "; leave the option out, or start a new run");
  }
  return {asked.config, repeat};
}

/// A --freeze that means nothing is said before the run's folder is made.
void check_freeze(const models::ModelSpec& spec, const train::TransferConfig& transfer) {
  const std::unique_ptr<nn::Module> model = models::make_model(spec);
  train::freeze_layers(*model, transfer.freeze, transfer.head);
  SEPIA_CHECK(train::count_parameters(*model).trainable > 0, "--freeze ", transfer.freeze, ": nothing is left to train");
}

int run_train(const std::string& architecture, TrainOptions& options, const Session& session) {
  const bool resume = !options.resume.empty();
  fs::path out = options.out;
  train::TrainConfig config;
  int repeat = 1;
  if (resume) {
    SEPIA_CHECK(!options.self_test, "--self-test makes no run and resumes none; give it ARCH and --data");
    SEPIA_CHECK(options.out.empty() || fs::weakly_canonical(options.out) == fs::weakly_canonical(options.resume),
                "--resume goes on in the run's own folder; leave --out away");
    out = options.resume;
    const Resumed resumed = resumed_settings(out, session);
    config = resumed.config;
    repeat = resumed.repeat;
  } else {
    SEPIA_CHECK(!architecture.empty(), "which network? give its name: sepia train edgenet --data FOLDER --out RUN");
    SEPIA_CHECK(!options.config.data.empty(), "--data is required: the folder that holds train/real and train/fake");
    SEPIA_CHECK(!options.out.empty() || options.self_test, "--out is required: the new folder for the run");
    options.config.model = architecture;
    const models::ModelSpec spec = models::default_spec(architecture);  // an unknown name is said before anything else happens
    if (!options.preset.empty()) read_train_options(words_after_train(session), architecture, options);
    options.config.normalisation = spec.normalisation;
    options.config.transfer.head = spec.head;
    if (!options.config.transfer.pretrained.empty()) {
      take_pretrained(options.config, spec);
      options.of_model = options.config.normalisation;
    }
    apply_words(options);
    config = options.config;
    repeat = options.repeat;
    check_freeze(spec, config.transfer);
    config.device = device_name(use_device(options.device).device);
    config.precision = options.device.precision;
    config.threads = options.device.threads;
    if (options.self_test) {
      set_num_threads(config.threads);
      return run_self_test(config, options.json) ? 0 : 1;
    }
    claim_output_folder(out, options.overwrite, run_files());
  }
  set_num_threads(config.threads);

  const GracefulStop graceful;
  if (repeat > 1) return run_repeated(config, out, {.repeat = repeat, .resume = resume, .json = options.json, .document_units = options.document_units, .command = session.arguments()});
  TrainResult result;
  try {
    result = run_training(config, out, {.resume = resume, .document_units = options.document_units, .command = session.arguments()});
  } catch (const Error&) {
    if (!resume) forget_unstarted(out, train::RunFolder{out}.config());
    throw;
  }
  if (options.json) print_json(result_json(result, out));
  return result.outcome.interrupted ? stop_exit_code() : 0;
}

}  // namespace

void add_train_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "train", "Train a detector by the document's protocol and keep everything about it in a run folder.",
                                          "sepia train edgenet --data faces --out runs/edge --epochs 40\n"
                                          "sepia train simplenet --data faces --out runs/simple   # the document's settings\n"
                                          "sepia train edgenet --data faces --out runs/detector --preset detector\n"
                                          "sepia train edgenet --data faces --out runs/five --repeat 5 # five seeds: mean, deviation, range\n"
                                          "sepia train xception_based --data faces --out runs/x --pretrained xception.safetensors --freeze backbone\n"
                                          "sepia train edgenet --data faces --self-test            # is the fault mine or the data's?\n"
                                          "sepia train --resume runs/edge                         # after Ctrl-C, a crash or a power cut");
  const auto architecture = std::make_shared<std::string>();
  const auto options = std::make_shared<TrainOptions>();
  command.add_option("ARCH", *architecture, "Network: simplenet, edgenet, xception or xception_based");
  add_train_options(command, *options);
  session.set_action(command, [architecture, options, &session] { return run_train(*architecture, *options, session); });
}

}  // namespace sepia::cli
