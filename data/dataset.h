// What a loader reads from: labelled pictures, all of one size.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "data/image.h"
#include "data/transforms.h"

namespace sepia {

inline constexpr int kReal = 0;
inline constexpr int kFake = 1;  ///< the positive class
inline constexpr int kClassCount = 2;

/// "real" or "fake".
inline const char* class_name(int label) { return label == kFake ? "fake" : "real"; }

struct Sample {
  Image image;  ///< image_size x image_size
  int label = kReal;
};

/// Labelled square pictures. All members may be called from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::size_t size() const = 0;
  /// Sample i, read when asked for. Errors begin with the sample's path.
  virtual Sample at(std::size_t i) const = 0;
  /// Sample i as one epoch of training sees it, before any augmentation. Data sets whose samples are made anew each time draw from `key`.
  virtual Sample draw(std::size_t i, const AugmentKey& key) const {
    static_cast<void>(key);
    return at(i);
  }
  /// Shows `use` the picture of draw(i, key) and returns its label. What lies in memory is shown where it lies: for those who copy it on.
  virtual int show(std::size_t i, const AugmentKey& key, const std::function<void(const Image&)>& use) const {
    const Sample sample = draw(i, key);
    use(sample.image);
    return sample.label;
  }
  virtual int label(std::size_t i) const = 0;
  /// What names sample i in messages and tables: its path relative to the data set, with '/'.
  virtual std::string path(std::size_t i) const = 0;
  /// Side of the pictures in pixels.
  virtual int image_size() const = 0;

 protected:
  Dataset() = default;
  Dataset(const Dataset&) = default;
  Dataset(Dataset&&) = default;
  Dataset& operator=(const Dataset&) = default;
  Dataset& operator=(Dataset&&) = default;
};

}  // namespace sepia
