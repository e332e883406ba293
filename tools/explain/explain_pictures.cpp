#include "tools/explain/explain_pictures.h"

#include <algorithm>

#include "data/dataset.h"
#include "engine/base/error.h"

namespace sepia::tools {

ClassRule class_rule_named(const std::string& name) {
  if (name == "true") return ClassRule::kTrue;
  if (name == "predicted") return ClassRule::kPredicted;
  if (name == "real") return ClassRule::kReal;
  if (name == "fake") return ClassRule::kFake;
  fail(ErrorKind::kUsage, "--class ", name, ": must be true, predicted, real or fake");
}

int class_to_explain(ClassRule rule, int label) {
  switch (rule) {
    case ClassRule::kTrue: return label;
    case ClassRule::kReal: return kReal;
    case ClassRule::kFake: return kFake;
    case ClassRule::kPredicted: break;
  }
  return explain::kPredictedClass;
}

Tensor input_of(const nn::Module& model, const std::vector<const Image*>& images, const ops::Normalisation& normalisation) {
  SEPIA_CHECK_KIND(!images.empty(), ErrorKind::kInternal, "[explain] a batch without pictures");
  const Image& first = *images.front();
  std::vector<std::uint8_t> pixels;
  pixels.reserve(images.size() * first.rgb.size());
  for (const Image* image : images) {
    SEPIA_CHECK_KIND(image->rgb.size() == first.rgb.size(), ErrorKind::kInternal, "[explain] pictures of one batch differ in size");
    pixels.insert(pixels.end(), image->rgb.begin(), image->rgb.end());
  }
  const Shape shape{static_cast<std::int64_t>(images.size()), first.height, first.width, 3};
  return ops::images_to_input(Tensor::from_host<std::uint8_t>(pixels, shape, model.device()), normalisation, model.dtype());
}

std::vector<explain::Explanation> explain_pictures(nn::Module& model, const std::vector<PictureToExplain>& pictures, const explain::ExplainOptions& options,
                                                   int batch_size, const std::function<void(std::size_t)>& on_batch) {
  std::vector<explain::Explanation> all;
  const auto at_once = static_cast<std::size_t>(batch_size);
  for (std::size_t begin = 0; begin < pictures.size(); begin += at_once) {
    const std::size_t end = std::min(begin + at_once, pictures.size());
    std::vector<const Image*> images;
    std::vector<int> classes;
    for (std::size_t i = begin; i < end; ++i) {
      images.push_back(&pictures[i].image);
      classes.push_back(pictures[i].asked_class);
    }
    for (explain::Explanation& explanation : explain::explain(model, input_of(model, images, options.normalisation), classes, options)) all.push_back(std::move(explanation));
    if (on_batch) on_batch(all.size());
  }
  return all;
}

explain::Map at_picture_size(const explain::Map& map, std::int64_t image_size) {
  return map.height == image_size && map.width == image_size ? map : explain::upsampled(map, image_size, image_size);
}

}  // namespace sepia::tools
