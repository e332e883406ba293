// Training runs so small that a test can afford dozens of them.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "engine/train/trainer.h"
#include "models/model.h"
#include "tests/support/files.h"
#include "tests/support/small_dataset.h"

namespace sepia::test {

/// A data set of 14 pictures to train on and 4 each to validate and test with.
inline void write_tiny_data(const std::filesystem::path& root) { write_small_dataset(root, {.train = 7, .val = 2, .test = 2, .side = 64}); }

/// 7 steps an epoch, 3 epochs.
inline train::TrainConfig tiny_config(const std::filesystem::path& data) {
  train::TrainConfig config;
  config.data = data.string();
  config.image_size = 64;
  config.batch_size = 2;
  config.epochs = 3;
  config.seed = 3;
  return config;
}

/// Ends a run as a kill does, after so many steps of this process: nothing is saved on the way out.
struct Killed {};

/// Counts steps; asks to stop or kills when it is time.
class Saboteur : public train::TrainObserver {
 public:
  int stop_after = -1, kill_after = -1;
  int steps = 0;
  std::vector<std::string> notes;

  void on_step(std::size_t, double, double) override {
    if (++steps == kill_after) throw Killed{};
  }
  bool stop_requested() override { return stop_after >= 0 && steps >= stop_after; }
  void on_note(const std::string& text) override { notes.push_back(text); }
};

/// One process's share of a run: a fresh model, pictures read anew, trained (or gone on with) in `folder`. `sabotage` may change the
/// fresh model.
inline train::TrainOutcome run_tiny(const train::TrainConfig& config, const std::filesystem::path& folder, bool resume, train::TrainObserver& observer,
                                    const std::function<void(nn::Module&)>& sabotage = {}, DType dtype = DType::kF32) {
  std::filesystem::create_directories(folder);
  const train::RunPictures pictures = train::check_pictures(config, {});
  models::ModelSpec spec = models::default_spec(config.model);
  spec.image_size = config.image_size;
  spec.classes = 2;
  const std::unique_ptr<nn::Module> model = models::make_model(spec);
  model->place(kCpuDevice, dtype, config.seed);
  if (sabotage) sabotage(*model);
  const train::RunFolder run_folder{folder};
  const TensorFileMetadata metadata{{"sepia.model", config.model}};
  return train::Trainer(config, *model, pictures, run_folder, metadata, observer).run(resume);
}

inline train::TrainOutcome run_tiny(const train::TrainConfig& config, const std::filesystem::path& folder, bool resume = false) {
  train::TrainObserver nobody;
  return run_tiny(config, folder, resume, nobody);
}

/// Names of the files that differ between two runs, of those that hold no time; empty when the runs ended alike.
inline std::vector<std::string> differing_files(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::vector<std::string> differing;
  for (const char* name : {"last.safetensors", "best.safetensors", "log.json", "log.jsonl", "predictions_test.csv", "metrics.json", "manifest.csv"}) {
    const std::string ours = bytes_of(a / name);
    if (ours.empty() || ours != bytes_of(b / name)) differing.push_back(name);
  }
  return differing;
}

}  // namespace sepia::test
