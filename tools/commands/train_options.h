// The options of `sepia train`, written into a TrainConfig.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/train/config.h"
#include "tools/cli/options.h"

namespace sepia::cli {

/// A command line of `sepia train`. Options that are not given leave `config` as it is, which is how a resumed run takes its
/// settings from its folder and a new one from the defaults.
struct TrainOptions {
  train::TrainConfig config;
  DeviceOptions device{};
  std::filesystem::path out{};
  std::filesystem::path resume{};
  bool overwrite = false;
  bool json = false;
  bool self_test = false;
  int image_size = 256;
  bool document_units = false;  ///< of the report
  int repeat = 1;  ///< seeds: --seed and those after it

  std::optional<ops::Normalisation> of_model{};  ///< what --normalise model means; unset: the network's own

  // Given as words, turned into settings by apply_words().
  std::string opt{}, sched{}, select{}, bad_images{}, class_weights{}, normalise{}, input{};

  std::string preset{};  ///< its settings stand under those that are given
};

/// Adds every option, bound to `options`.
void add_train_options(CLI::App& command, TrainOptions& options);

/// Reads ARCH and options, the words after `sepia train`, over what `options` holds; where they name a preset, its settings first. A preset
/// leaves the input of --pretrained weights as it is. Returns ARCH, `architecture` where there is none. Errors as the command line's.
std::string read_train_options(const std::vector<std::string>& words, const std::string& architecture, TrainOptions& options);

/// Turns the words into settings. Throws kUsage naming the option and what it takes.
void apply_words(TrainOptions& options);

}  // namespace sepia::cli
