// Random changes to training pictures, on 8-bit values. Scaling to [0, 1] and normalisation are the network's business: they are
// applied when a batch enters it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/image.h"

namespace sepia {

enum class Augment {
  kNone,      ///< the picture as it is
  kDocument,  ///< random crop with padding 4, then horizontal flip with probability 1/2
  kStrong,    ///< that crop, then flips and turns, light, blur and JPEG: data/augment_strong.h
};
/// "none", "document", "strong"; throws kUsage otherwise.
Augment augment_from_name(const std::string& name);

inline constexpr int kCropPadding = 4;

/// What the change of one sample depends on, and nothing else: not the thread, the batch or what came before.
struct AugmentKey {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint32_t sample = 0;
};

/// Writes the changed picture, of the same size, to `out` (width * height * 3 bytes). The crop is torchvision's
/// RandomCrop(side, padding=4): the picture gets a frame of 4 black (zero) pixels and a window of its own size is cut out, its
/// corner uniform in [0, 8] both ways.
void apply_augment(Augment augment, const AugmentKey& key, const Image& image, std::span<std::uint8_t> out);

/// Copies the window whose corner is (left, top) of a picture of the same size; pixels outside are zero. Mirrored left to
/// right afterwards when `flip`.
void crop_and_flip(const Image& image, int left, int top, bool flip, std::span<std::uint8_t> out);

}  // namespace sepia
