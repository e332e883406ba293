// sepia bench: how long a network's training step and inference take here, layer by layer, beside what the machine can do.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include "data/dataset.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/parallel_for.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/commands/bench_print.h"
#include "tools/commands/commands.h"
#include "tools/measure/bench_chart.h"

namespace sepia::cli {
namespace {

constexpr int kFewestRounds = 5;  // a median of fewer says little on a machine that does other things too
constexpr int kMostRounds = 10000;
constexpr int kLargestBatch = 65536;
constexpr std::string_view kJsonFile = "bench.json", kChart = "layers";

struct BenchOptions {
  std::string model, arch;
  int batch = 32, rounds = 7;
  int image_size = 0;  ///< 0: the model's own
  std::string out;
  bool overwrite = false, json = false;
  DeviceOptions device{};
};

/// A network named alone is a detector, as train makes it; a file says itself how many classes it knows.
LoadedModel model_of(const BenchOptions& options, const Compute& compute) {
  ModelArgumentOptions asked{.architecture = options.arch, .device = compute.device, .dtype = compute.dtype, .image_size = options.image_size,
                             .needs_weights = false};
  const auto names = models::model_names();
  if (std::ranges::count(names, options.model) > 0) asked.classes = kClassCount;
  return load_model(options.model, asked);
}

int run_bench(const BenchOptions& options) {
  const Compute compute = use_device(options.device);
  LoadedModel model = model_of(options, compute);
  if (!options.out.empty()) claim_output_folder(options.out, options.overwrite, {kJsonFile, "layers.svg", "layers.png"});
  const BenchSubject subject{.model = model.spec.name,
                             .precision = options.device.precision,
                             .device = device_name(compute.device),
                             .batch = options.batch,
                             .threads = num_threads(),
                             .rounds = options.rounds,
                             .image_size = model.spec.image_size};

  ProgressBar bar;
  const int rounds = options.rounds + tools::kUntimedRounds;
  bar.start("measuring", std::int64_t{rounds} * options.batch);
  const tools::ModelFigures figures = tools::bench_model(
      *model.module, model.spec,
      {.batch = options.batch, .rounds = options.rounds, .on_round = [&](int done) { bar.update(std::int64_t{done} * options.batch); }});
  bar.clear();

  const nlohmann::ordered_json json = bench_json(subject, figures);
  if (options.json) {
    print_json(json);
  } else {
    print_bench(subject, figures);
  }
  if (options.out.empty()) return 0;
  const std::filesystem::path folder = options.out;
  write_file_atomic(folder / kJsonFile, json.dump(2) + "\n");
  report::save_figure(tools::bench_chart(subject.title(), figures), folder / kChart);
  fmt::print(stderr, "wrote {}/{{bench.json,layers.svg,layers.png}}\n", options.out);
  return 0;
}

}  // namespace

void add_bench_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App& command = session.add_command(app, "bench", "Time a network's training step and inference here, layer by layer, beside the machine's ceilings",
                                          "sepia bench edgenet\n"
                                          "sepia bench edgenet --batch 1 --threads 1\n"
                                          "sepia bench xception --precision bf16 --out speed   # also a chart: speed/layers.svg\n"
                                          "sepia bench run --json                              # what a run has trained");
  command.add_option("MODEL", options->model, kModelHelp)->required();
  add_arch_option(command, options->arch);
  add_whole(command, "-b,--batch-size,--batch", options->batch, 1, kLargestBatch, "Pictures in one step");
  add_image_size_option(command, options->image_size)->default_str("the model's");
  add_whole(command, "--rounds", options->rounds, kFewestRounds, kMostRounds, "Measurements of each kind, taken in turn; medians are given");
  command.add_option("-o,--out", options->out, "New folder for bench.json and the chart of the layers (layers.svg, layers.png)")->type_name("FOLDER");
  command.add_flag("--overwrite", options->overwrite, "Write into --out even when it is in use");
  add_device_options(command, options->device);
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_bench(*options); });
}

}  // namespace sepia::cli
