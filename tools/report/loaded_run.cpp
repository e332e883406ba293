#include "tools/report/loaded_run.h"

#include <sstream>

#include "engine/base/csv.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/train/run_folder.h"

namespace sepia::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

std::string text_of(const fs::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxTextBytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Json json_of(const fs::path& path) {
  Json json = Json::parse(text_of(path), nullptr, false);
  SEPIA_CHECK_KIND(json.is_object(), ErrorKind::kData, path.string(), ": is damaged; train again or resume the run");
  return json;
}

ScoredSplit predictions_of(const train::RunFolder& folder) {
  ScoredSplit result;
  for (const char* split : {"test", "val"}) {
    const fs::path path = folder.predictions(split);
    if (!fs::exists(path)) continue;
    result.split = split;
    std::istringstream lines(text_of(path));
    std::string line;
    std::getline(lines, line);  // the names of the columns
    while (std::getline(lines, line)) {
      const std::vector<std::string> fields = csv_fields_of(line);
      SEPIA_CHECK_KIND(fields.size() == 5, ErrorKind::kData, path.string(), ": line '", line, "' has ", fields.size(), " fields instead of 5");
      result.paths.push_back(fields[0]);
      result.labels.push_back(fields[1] == "fake" ? 1 : 0);
      try {
        result.logits.push_back({std::stod(fields[3]), std::stod(fields[4])});
      } catch (const std::exception&) {
        fail(ErrorKind::kData, path.string(), ": line '", line, "' does not hold two logits");
      }
    }
    break;
  }
  return result;
}

// The epochs of log.jsonl and the best of them.
train::History history_of(const train::RunFolder& folder, const Json& log) {
  train::History history;
  std::istringstream lines(text_of(folder.log_lines()));
  for (std::string line; std::getline(lines, line);) {
    try {
      history.epochs.push_back(train::epoch_from_json(line));
    } catch (const nlohmann::json::exception& error) {
      fail(ErrorKind::kData, folder.log_lines().string(), ": line ", history.epochs.size() + 1, " is damaged (", error.what(), ")");
    }
  }
  if (log.contains("best_epoch") && log["best_epoch"].is_number()) history.best_epoch = log["best_epoch"].get<int>();
  return history;
}

}  // namespace

std::string LoadedRun::model() const { return log.value("model", ""); }
fs::path LoadedRun::data() const { return config["config"].value("data", ""); }
std::string LoadedRun::dataset() const { return data().filename().string(); }

LoadedRun load_run(const fs::path& run) {
  const train::RunFolder folder{run};
  LoadedRun loaded{.folder = run, .config = json_of(folder.config()), .log = {}, .history = {}, .predictions = {}, .evaluation = std::nullopt};
  SEPIA_CHECK_KIND(loaded.config.contains("config") && loaded.config["config"].is_object(), ErrorKind::kData, folder.config().string(), ": not the settings of a run");
  SEPIA_CHECK_KIND(fs::exists(folder.log()), ErrorKind::kPath, folder.log().string(), ": no such file; the run has not finished an epoch");
  loaded.log = json_of(folder.log());
  loaded.history = history_of(folder, loaded.log);
  loaded.predictions = predictions_of(folder);
  if (!loaded.predictions.paths.empty()) loaded.evaluation = evaluate(loaded.predictions.logits, loaded.predictions.labels);
  return loaded;
}

std::vector<fs::path> run_folders_of(const fs::path& argument) {
  std::error_code error;
  SEPIA_CHECK_KIND(fs::is_directory(argument, error), ErrorKind::kPath, argument.string(), ": ", error ? error.message() : "is not a folder", "; give the folder of a run");
  if (!fs::exists(argument / "repeat.json")) {
    SEPIA_CHECK_KIND(fs::exists(train::RunFolder{argument}.config()), ErrorKind::kPath, argument.string(), ": holds no config.json; is it the folder of a run?");
    return {argument};
  }
  std::vector<fs::path> folders;
  for (const Json& seed : json_of(argument / "repeat.json").value("seeds", Json::array())) {
    const fs::path folder = argument / ("seed-" + seed.dump());
    if (fs::exists(train::RunFolder{folder}.log())) folders.push_back(folder);
  }
  SEPIA_CHECK_KIND(!folders.empty(), ErrorKind::kPath, argument.string(), ": none of its seeds has finished an epoch");
  return folders;
}

std::string setting_text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace sepia::report
