// A data set of drawn faces, for demonstrations and tests. Real ones are drawings; in fake ones the inner face was replaced by a
// changed copy, as in a face swap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "data/image.h"

namespace sepia {

/// Picture `index` of a class, 256 x 256, the same on every machine: only integers are computed with.
/// A fake is a drawing of its own (never one that is among the real) whose inner face is replaced, within an ellipse with a
/// soft edge, by a copy that is scaled, moved, tinted, smoothed and faintly chequered as up-sampling networks do (after Shiohara
/// and Yamasaki 2022, "Detecting Deepfakes with Self-Blended Images").
Image toy_picture(std::uint64_t seed, const std::string& split, int label, std::uint32_t index);

struct ToyOptions {
  std::uint64_t seed = 1;
  std::size_t train_per_class = 96;
  std::size_t val_per_class = 24;
  std::size_t test_per_class = 24;
  int threads = 2;
  std::function<void(std::size_t done, std::size_t total)> progress = nullptr;  ///< called from several threads, one at a time
};

/// Writes OUT/{train,val,test}/{real,fake}/0000.png ... and then OUT/toy.json, which marks the data set (and all that is trained
/// on it) as toy. Folders are made; a split of zero pictures is left out. kUsage when OUT exists and is not empty or a count is
/// out of range; kPath when it cannot be written.
void write_toy_dataset(const std::filesystem::path& out, const ToyOptions& options = {});

/// Whether ROOT is a data set of write_toy_dataset.
bool is_toy_dataset(const std::filesystem::path& root);

}  // namespace sepia
