// Real faces and as many self-blended ones, made anew in every epoch (Shiohara and Yamasaki 2022): what a detector of face swaps can be
// trained on without a single fake.
#pragma once

#include <memory>

#include "data/dataset.h"

namespace sepia {

/// Samples 0 to n-1 are those of `real`, samples n to 2n-1 the same faces blended with themselves (data/self_blend.h). draw() blends by
/// its key, so that no two epochs show the same fake; at() by sample number alone. Both classes are written as JPEG of quality 95 and read
/// again last, since fakes arrive compressed too and a difference in that would give the class away.
class SelfBlendedDataset final : public Dataset {
 public:
  explicit SelfBlendedDataset(std::unique_ptr<const Dataset> real);

  std::size_t size() const override { return 2 * real_->size(); }
  /// Throws what `real` throws.
  Sample at(std::size_t i) const override { return draw(i, {.sample = static_cast<std::uint32_t>(i)}); }
  Sample draw(std::size_t i, const AugmentKey& key) const override;
  int label(std::size_t i) const override;
  /// "train/real/0001.jpg blended with itself" for a fake.
  std::string path(std::size_t i) const override;
  int image_size() const override { return real_->image_size(); }

 private:
  std::unique_ptr<const Dataset> real_;
};

}  // namespace sepia
