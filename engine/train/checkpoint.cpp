#include "engine/train/checkpoint.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/io/weights.h"

namespace sepia::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kStateKey = "sepia.train_state";
constexpr const char* kAverageWeights = "optim.ema.";
constexpr const char* kAverageStatistics = "optim.ema_running_statistics";

Json state_json(const TrainState& state) {
  Json epochs = Json::array();
  for (const EpochRecord& record : state.history.epochs) epochs.push_back(Json::parse(epoch_to_json(record)));
  return {{"epoch", state.epoch},
          {"batches_done", state.batches_done},
          {"loss_sum", state.loss_sum},
          {"correct", state.correct},
          {"samples", state.samples},
          {"optimizer_steps", state.optimizer_steps},
          {"best_figure", state.best_figure ? Json(*state.best_figure) : Json(nullptr)},
          {"epochs_since_best", state.epochs_since_best},
          {"log_bytes", state.log_bytes},
          {"finished", state.finished},
          {"predictions", state.predictions},
          {"all_one_class", state.all_one_class},
          {"best_epoch", state.history.best_epoch ? Json(*state.history.best_epoch) : Json(nullptr)},
          {"epochs", epochs},
          {"fingerprints", state.fingerprints},
          {"sample_list", state.sample_list},
          {"skipped", state.skipped}};
}

TrainState state_from_json(const Json& j) {
  TrainState state;
  j.at("epoch").get_to(state.epoch);
  j.at("batches_done").get_to(state.batches_done);
  j.at("loss_sum").get_to(state.loss_sum);
  j.at("correct").get_to(state.correct);
  j.at("samples").get_to(state.samples);
  j.at("optimizer_steps").get_to(state.optimizer_steps);
  if (!j.at("best_figure").is_null()) state.best_figure = j.at("best_figure").get<double>();
  j.at("epochs_since_best").get_to(state.epochs_since_best);
  j.at("log_bytes").get_to(state.log_bytes);
  j.at("finished").get_to(state.finished);
  j.at("predictions").get_to(state.predictions);
  j.at("all_one_class").get_to(state.all_one_class);
  if (!j.at("best_epoch").is_null()) state.history.best_epoch = j.at("best_epoch").get<int>();
  for (const Json& epoch : j.at("epochs")) state.history.epochs.push_back(epoch_from_json(epoch.dump()));
  j.at("fingerprints").get_to(state.fingerprints);
  j.at("sample_list").get_to(state.sample_list);
  j.at("skipped").get_to(state.skipped);
  return state;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, nn::Module& model, Stepper& stepper, const TrainState& state, const TensorFileMetadata& metadata) {
  SafetensorsWriter writer;
  writer.metadata = metadata;
  writer.metadata[kStateKey] = state_json(state).dump(-1, ' ', false, Json::error_handler_t::replace);

  std::vector<std::vector<FileTensor>> parts{state_dict(model)};
  for (const auto& [name, moment] : stepper.optimizer().state()) parts.push_back(arena_tensors(model, moment, "optim." + name + "."));
  if (stepper.average()) {
    parts.push_back(arena_tensors(model, stepper.average()->average_weights(), kAverageWeights));
    const Tensor& statistics = stepper.average()->average_statistics();
    FileTensor tensor{.name = kAverageStatistics, .dtype = statistics.dtype(), .shape = {statistics.numel()}, .data = std::vector<std::byte>(statistics.bytes())};
    statistics.copy_to_host(tensor.data);
    parts.push_back({std::move(tensor)});
  }
  for (const auto& tensors : parts) add_tensors(writer, tensors);
  writer.write(path);
}

TrainState load_checkpoint(const std::filesystem::path& path, nn::Module& model, Stepper& stepper) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto found = file.metadata().find(kStateKey);
  SEPIA_CHECK_KIND(found != file.metadata().end(), ErrorKind::kData, path.string(), ": holds no training state; it is not the checkpoint of a run");
  TrainState state;
  try {
    state = state_from_json(Json::parse(found->second));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, path.string(), ": its training state cannot be read (", error.what(), ")");
  }
  load_weights(file, model);
  for (const auto& [name, moment] : stepper.optimizer().state()) load_arena(file, model, moment, "optim." + name + ".");
  if (stepper.average()) {
    load_arena(file, model, stepper.average()->average_weights(), kAverageWeights);
    const Tensor& statistics = stepper.average()->average_statistics();
    const TensorEntry* entry = file.find(kAverageStatistics);
    SEPIA_CHECK_KIND(entry && entry->dtype == statistics.dtype() && entry->bytes == statistics.bytes(), ErrorKind::kData, path.string(),
                     ": the average of the running statistics is missing or of another size");
    statistics.copy_from_host(file.data(*entry));
  }
  stepper.optimizer().set_steps_taken(state.optimizer_steps);
  return state;
}

}  // namespace sepia::train
