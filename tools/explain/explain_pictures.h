// From pictures to explanations, a batch at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/image.h"
#include "engine/explain/explain.h"
#include "models/model.h"

namespace sepia::tools {

/// A picture to explain.
struct PictureToExplain {
  Image image;  ///< image-size x image-size, as the network sees it
  int asked_class = explain::kPredictedClass;
};

/// What --class says.
enum class ClassRule : std::uint8_t { kTrue, kPredicted, kReal, kFake };
/// Throws kUsage for another name than true, predicted, real, fake.
ClassRule class_rule_named(const std::string& name);
/// The class to explain for a picture with this label.
int class_to_explain(ClassRule rule, int label);

/// The pictures as one input tensor of the model.
Tensor input_of(const nn::Module& model, const std::vector<const Image*>& images, const ops::Normalisation& normalisation);

/// Explanations of the pictures, in order, `batch_size` at a time. `on_batch` hears of the pictures done.
std::vector<explain::Explanation> explain_pictures(nn::Module& model, const std::vector<PictureToExplain>& pictures, const explain::ExplainOptions& options,
                                                   int batch_size, const std::function<void(std::size_t)>& on_batch = {});

/// The map at the size of the picture: NAME.METHOD.npy and what figures draw.
explain::Map at_picture_size(const explain::Map& map, std::int64_t image_size);

}  // namespace sepia::tools
