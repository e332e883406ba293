// The changes of --augment strong, one by one: what a picture may go through between the camera and the detector.
//
// All on 8-bit values with integer arithmetic, so that a sample changes the same way on every machine (the JPEG step: wherever the
// same libjpeg-turbo decodes and encodes).
#pragma once

#include <cstdint>

#include "data/image.h"
#include "data/transforms.h"

namespace sepia {

/// The changes of one sample, in the order in which they are made.
struct StrongChanges {
  int left = 0, top = 0;       ///< corner of the window, as in the document's crop: -4 to 4
  bool flip = false;           ///< left to right
  int turns = 0;               ///< right angles, clockwise
  int contrast = 256;          ///< in 1/256, around mid-grey
  int brightness = 0;          ///< added to every byte
  int blur = 0;                ///< how much of the blurred picture is mixed in, in 1/256
  int jpeg_quality = 0;        ///< 0: not recompressed
  bool jpeg_subsampling = true;

  bool operator==(const StrongChanges&) const = default;
};

/// What a sample goes through, from its key alone: a crop always; each of the eight flips and turns equally often; light (contrast 3/4 to
/// 5/4, brightness -24 to 24) for half of the samples; blur (1/8 to all of a 3x3 binomial filter) for one in five; JPEG of quality 60 to
/// 95, colour at full or half resolution, for three in ten.
StrongChanges draw_strong_changes(const AugmentKey& key);

/// Makes the changes. kUsage when a picture that is not square is to be turned by an odd number of right angles.
Image apply_strong_changes(const StrongChanges& changes, const Image& image);

/// The single changes. turned: `turns` right angles clockwise, any whole number.
Image turned(const Image& image, int turns);
/// (value - 128) * contrast / 256 + 128 + brightness, rounded to the nearest and clamped to a byte.
Image relit(const Image& image, int contrast, int brightness);
/// value + (blurred - value) * blur / 256, rounded; blurred by the filter (1 2 1) x (1 2 1) / 16, borders reflected.
Image blurred(const Image& image, int blur);
/// The picture written as JPEG and read again.
Image recompressed(const Image& image, int quality, bool subsampling);

}  // namespace sepia
