#include "data/self_blended_dataset.h"

#include <utility>

#include "data/image_read.h"
#include "data/image_write.h"
#include "data/self_blend.h"
#include "engine/base/error.h"
#include "engine/base/random.h"

namespace sepia {
namespace {

constexpr int kJpegQuality = 95;  // that of `sepia data blend`

}  // namespace

SelfBlendedDataset::SelfBlendedDataset(std::unique_ptr<const Dataset> real) : real_(std::move(real)) {}

Sample SelfBlendedDataset::draw(std::size_t i, const AugmentKey& key) const {
  SEPIA_CHECK(i < size(), "sample ", i, " is not in a data set of ", size());
  const bool fake = i >= real_->size();
  Sample sample = real_->at(fake ? i - real_->size() : i);
  if (fake) {
    RandomStream random(key.seed, RandomPurpose::kFreshBlend, key.epoch, key.sample);
    sample.image = self_blend(sample.image, draw_self_blend(random, image_size())).picture;
    sample.label = kFake;
  }
  sample.image = decode_image(encode_jpeg(sample.image, {.quality = kJpegQuality}), path(i));
  return sample;
}

int SelfBlendedDataset::label(std::size_t i) const {
  SEPIA_CHECK(i < size(), "sample ", i, " is not in a data set of ", size());
  return i < real_->size() ? kReal : kFake;
}

std::string SelfBlendedDataset::path(std::size_t i) const {
  return i < real_->size() ? real_->path(i) : real_->path(i - real_->size()) + " blended with itself";
}

}  // namespace sepia
