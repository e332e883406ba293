// Private to data/: a drawn face.
#pragma once

#include "data/image.h"
#include "data/toy_paint.h"
#include "engine/base/random.h"

namespace sepia::detail {

inline constexpr int kToySide = 256;

/// Where the face is in its picture: what a forger needs to know.
struct ToyFace {
  Image image;
  Canvas::Place place;
};

/// Draws a face: background, light, pose, skin, hair, features, glasses and film grain, all from `random`.
ToyFace draw_toy_face(RandomStream& random);

}  // namespace sepia::detail
