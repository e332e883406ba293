// sepia report: makes the report of a run again, or lays several runs side by side.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/commands/commands.h"
#include "tools/commands/run_maps.h"
#include "tools/report/comparison.h"
#include "tools/report/loaded_run.h"
#include "tools/report/text.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ReportOptions {
  std::vector<std::string> runs;
  fs::path out, log_json;
  bool overwrite = false, document_units = false, maps = true;
};

/// The run's log.json, in the document's units where they are asked for: losses divided by the batch size, accuracies in percent.
Json log_of(const fs::path& run, bool document_units) {
  const report::LoadedRun loaded = report::load_run(run);
  Json log = loaded.log;
  if (!document_units) return log;
  const double batch_size = loaded.config["config"].value("batch_size", 32);
  for (const char* key : {"train_loss", "val_loss", "test_loss", "train_acc", "val_acc", "test_acc"}) {
    if (!log.contains(key) || !log[key].is_array()) continue;
    const double factor = std::string_view(key).ends_with("_loss") ? 1 / batch_size : 100;
    for (Json& value : log[key]) {
      if (value.is_number()) value = factor * value.get<double>();
    }
  }
  log["units"] = "losses divided by the batch size, accuracies in percent";
  return log;
}

void write_logs(const std::vector<fs::path>& runs, const ReportOptions& options) {
  Json list = Json::array();
  for (const fs::path& run : runs) list.push_back(log_of(run, options.document_units));
  write_file_atomic(options.log_json, list.dump(2) + "\n");
  fmt::print(stderr, "wrote {}: {} {}\n", options.log_json.string(), runs.size(), runs.size() == 1 ? "run" : "runs");
}

int run_report(const ReportOptions& options) {
  std::vector<fs::path> runs;
  for (const std::string& argument : options.runs) {
    for (fs::path& folder : report::run_folders_of(argument)) runs.push_back(std::move(folder));
  }
  const bool repeated = options.runs.size() == 1 && fs::exists(fs::path(options.runs.front()) / "repeat.json");
  const bool compares = runs.size() > 1 || repeated;
  SEPIA_CHECK(compares || options.out.empty(), "--out is for comparing runs; the report of one run stays in its folder");
  if (!options.log_json.empty()) write_logs(runs, options);
  if (!compares || repeated) {
    for (const fs::path& run : runs) {
      report::write_run_report(run, options.maps ? report_with_maps(options.document_units) : report::RunReportOptions{.document_units = options.document_units});
      fmt::print(stderr, "wrote {}\n", (run / "report.html").string());
    }
  }
  if (!compares) return 0;
  fs::path out = options.out;
  if (out.empty()) out = repeated ? fs::path(options.runs.front()) : fs::path("comparison");
  if (!repeated || !options.out.empty()) claim_output_folder(out, options.overwrite, {"report.html", "comparison.csv", "plots"});
  report::Comparison comparison = report::compare_runs(runs, options.document_units);
  std::vector<std::string> command{"sepia", "report"};
  command.insert(command.end(), options.runs.begin(), options.runs.end());
  if (options.document_units) command.emplace_back("--document-units");
  comparison.commands = {report::shell_command(command)};
  if (repeated) comparison.title = fs::absolute(options.runs.front()).lexically_normal().filename().string() + ": " + comparison.title;
  report::write_comparison(comparison, out);
  fmt::print(stderr, "wrote {}: {} runs\n", (out / "report.html").string(), runs.size());
  return 0;
}

}  // namespace

void add_report_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "report", "Make a run's report.html and plots again, or compare several runs on one page.",
                                          "sepia report runs/edge\n"
                                          "sepia report runs/edge runs/simple --out comparison\n"
                                          "sepia report runs/five                              # all seeds of --repeat 5\n"
                                          "sepia report runs/edge runs/simple --log-json all_logs.json");
  const auto options = std::make_shared<ReportOptions>();
  command.add_option("RUN", options->runs, "Run folders")->required()->expected(1, 1000);
  command.add_option("--out", options->out, "Where a comparison goes: a new folder")->type_name("FOLDER")->default_str("comparison");
  command.add_flag("--overwrite", options->overwrite, "Write into --out although it holds files");
  command.add_option("--log-json", options->log_json, "Also write the runs' log.json as one list into this file")->type_name("FILE");
  command.add_flag("--document-units", options->document_units, "Losses divided by the batch size, accuracies in percent, as the document prints them");
  command.add_flag("--maps,!--no-maps", options->maps, "Explanations on a run's page: what its network looks at (default), or not");
  session.set_action(command, [options] { return run_report(*options); });
}

}  // namespace sepia::cli
