// From any weight file that people have to a safetensors file of sepia's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/model_info.h"
#include "engine/io/weight_file.h"

namespace sepia::convert {

struct ConvertParams {
  std::filesystem::path input, output;
  std::string architecture;    ///< empty: what the input's metadata say
  std::int64_t classes = 0;    ///< 0: what the head in the file has
  std::int64_t image_size = 0; ///< 0: what the metadata say, or the network's own
  std::string key;             ///< where in a checkpoint the state dict is
  std::string label_order;     ///< "" or "real,fake": as sepia has them; "fake,real": the two outputs change places
  std::string numerics;        ///< "" (what the format implies), "pytorch" or "keras"
  bool new_head = false;       ///< the head is drawn anew and not taken from the file
  std::uint64_t seed = 0;      ///< of a new head
};

/// What was found and done.
struct ConvertReport {
  WeightFile::Format format = WeightFile::Format::kSafetensors;
  std::string input_sha256, output_sha256;
  std::string key;                                    ///< of the state dict; empty: at the top
  std::vector<FileNote> notes;                        ///< numbers and texts beside it
  std::vector<std::string> skipped;                   ///< optimiser state and nested settings
  std::vector<std::string> ignored;                   ///< known not to reach the logits
  std::vector<std::string> missing;                   ///< drawn anew
  std::vector<std::string> unexpected;                ///< in the file, not in the network; not copied
  std::size_t loaded = 0;
  std::int64_t parameters = 0;
  ModelInfo info;
};

/// Reads params.input, maps names and layouts, checks every tensor against the network, and writes params.output atomically. Errors:
/// kUsage for settings that contradict each other; kPath for files that cannot be read or written; kData, in one line, for a file that is
/// damaged or does not hold this network. Nothing is written then.
ConvertReport convert_weights(const ConvertParams& params);

}  // namespace sepia::convert
