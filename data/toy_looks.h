// Private to data/: what a drawn face looks like, before it is drawn.
#pragma once

#include <algorithm>

#include "data/toy_paint.h"
#include "engine/base/random.h"

namespace sepia::detail {

inline constexpr int kPx = 16;  // one pixel in face coordinates

/// Uniform integer in [low, high].
inline int between(RandomStream& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<std::uint32_t>(high - low + 1)));
}
inline bool chance(RandomStream& random, int percent) {
  return static_cast<int>(random.below(100)) < percent;
}
inline Colour varied(RandomStream& random, const Colour& c, int by) {
  const auto channel = [&](int v) { return std::clamp(v + between(random, -by, by), 0, 255); };
  return {channel(c.r), channel(c.g), channel(c.b)};
}

enum class HairStyle { kBald, kShort, kLong, kCurly, kBun };

/// Lengths and places in face coordinates (data/toy_paint.h).
struct Looks {
  Colour skin, hair, eye, background_a, background_b, shirt, lips;
  int head_ru, head_rv, taper;
  int light;  ///< where the light comes from: -256 left, 256 right
  int eye_gap, eye_ru, eye_rv, eye_v, gaze_u, gaze_v;
  int brow_lift, brow_tilt, brow_radius;
  int nose_length, nose_width;
  int mouth_v, mouth_width, smile;
  bool open_mouth, glasses, freckles, blush, beard;
  HairStyle style;
  int fringe;
};

/// Draws the looks of one person and their surroundings.
Looks draw_looks(RandomStream& random);

}  // namespace sepia::detail
