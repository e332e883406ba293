// Maps of loose pictures: NAME.METHOD.npy and NAME.METHOD.png for each, and an entry of index.json.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/model.h"
#include "tools/explain/explain_pictures.h"
#include "tools/explain/map_picture.h"

namespace sepia::tools {

struct SingleMapsOptions {
  explain::ExplainOptions explain{};
  ClassRule class_rule = ClassRule::kFake;  ///< loose pictures have no label: true is not possible
  ScaleRule scale{};
  bool curves = false;  ///< deletion and insertion curves into the index
  int batch_size = 8;
  std::filesystem::path out;
};

/// Names for the files of these pictures: the stem, PARENT_STEM where several share it, with _2, _3 ... where even that is shared.
std::vector<std::string> map_names(const std::vector<std::string>& files);

/// Explains the files in order and writes their maps; `report` gets each file's entry of the index as soon as it stands. A file that
/// cannot be used gets {"path", "error"} and the others go on. Memory does not grow with the number of files unless the scale is shared.
void write_single_maps(nn::Module& model, const models::ModelSpec& spec, const std::vector<std::string>& files, const SingleMapsOptions& options,
                       const std::function<void(const nlohmann::ordered_json&)>& report);

}  // namespace sepia::tools
