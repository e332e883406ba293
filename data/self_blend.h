// A face blended with a changed copy of itself: what a face swap leaves behind, without a second person (Shiohara and Yamasaki 2022,
// "Detecting Deepfakes with Self-Blended Images", CVPR).
//
// Only integers are computed with: the same picture, seed and number give the same pixels on every machine.
#pragma once

#include <cstdint>
#include <vector>

#include "data/image.h"
#include "engine/base/random.h"

namespace sepia {

/// How the two copies of a face differ and where one is laid over the other. The inner copy is moved and scaled; either it or the outer
/// one gets another colour, and either one another sharpness.
struct SelfBlendChanges {
  int scale_x = 1024, scale_y = 1024;  ///< of the inner copy, in 1/1024, around the picture's middle
  int shift_x = 0, shift_y = 0;        ///< of the inner copy, in 1/256 pixel
  bool colour_inside = true;           ///< which copy is recoloured
  int tint[3] = {0, 0, 0};             ///< added to each channel
  int contrast = 256, brightness = 0;  ///< as in data/augment_strong.h
  int saturation = 256;                ///< in 1/256: distance of each channel from the grey value
  bool sharpness_inside = true;        ///< which copy loses or gains detail
  int sharpness = 0;                   ///< in 1/256: value + (value - blurred) * sharpness; -256 is the blurred picture
  int centre_x = 0, centre_y = 0;      ///< of the ellipse, from the picture's middle, in 1/1024 of its side
  int radius_x = 300, radius_y = 380;  ///< of the ellipse, in 1/1024 of the side
  int tilt = 0;                        ///< of the ellipse, clockwise, tangent in 1/1024
  int softness = 60;                   ///< width of its edge, in 1/1024 of the side
  int opacity = 256;                   ///< of the inner copy where the mask is full, in 1/256

  bool operator==(const SelfBlendChanges&) const = default;
};

/// Picture number `index` of a seed. Ranges, after the paper's: scale 95% to 105%, shift up to 3% of `side`, tint +-14, contrast 7/8 to 9/8,
/// brightness +-14, saturation 3/4 to 5/4, sharpness -256 to -64 or 64 to 192; the ellipse covers a cropped face; opacity 1/2 or 3/4 once in
/// six each, else full. A copy whose colour and place hardly differ is drawn again, so that every fake is one.
SelfBlendChanges draw_self_blend(std::uint64_t seed, std::uint32_t index, int side);
/// The same, from any stream of random numbers.
SelfBlendChanges draw_self_blend(RandomStream& random, int side);

struct SelfBlend {
  Image picture;
  Image mask;  ///< how much of the inner copy there is, 0 to 255 in all three channels
};

/// Makes the fake. kUsage unless the picture is square and at least 8 pixels wide.
SelfBlend self_blend(const Image& face, const SelfBlendChanges& changes);

}  // namespace sepia
