#include "data/self_blend.h"

#include <algorithm>
#include <cstdlib>

#include "data/augment_strong.h"
#include "data/sampling.h"
#include "data/toy_looks.h"
#include "data/toy_paint.h"
#include "engine/base/error.h"

namespace sepia {

namespace {

using detail::between;

std::uint8_t to_byte(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

Image recoloured(const Image& face, const SelfBlendChanges& changes) {
  Image out = relit(face, changes.contrast, changes.brightness);
  for (std::size_t i = 0; i < out.rgb.size(); i += 3) {
    std::uint8_t* p = &out.rgb[i];
    const int grey = (77 * p[0] + 150 * p[1] + 29 * p[2] + 128) / 256;  // luma of ITU-R BT.601
    for (int c = 0; c < 3; ++c) p[c] = to_byte(grey + (((p[c] - grey) * changes.saturation + 128) >> 8) + changes.tint[c]);
  }
  return out;
}

Image with_sharpness(const Image& face, int sharpness) {
  const Image soft = blurred(blurred(face, 256), 256);
  Image out = face;
  for (std::size_t i = 0; i < out.rgb.size(); ++i) out.rgb[i] = to_byte(face.rgb[i] + (((face.rgb[i] - soft.rgb[i]) * sharpness + 128) >> 8));
  return out;
}

/// The copy scaled around the middle and moved.
Image moved(const Image& face, const SelfBlendChanges& changes) {
  Image out(face.width, face.height);
  const int middle = face.width * 128;  // in 1/256 pixel
  for (int y = 0; y < face.height; ++y) {
    const int from_y = middle + (y * 256 - middle) * 1024 / changes.scale_y - changes.shift_y;
    for (int x = 0; x < face.width; ++x) {
      const int from_x = middle + (x * 256 - middle) * 1024 / changes.scale_x - changes.shift_x;
      for (int c = 0; c < 3; ++c) out.pixel(x, y)[c] = to_byte(detail::sample_between(face, from_x, from_y, c));
    }
  }
  return out;
}

/// Whether a detector could see any of it: a copy that is neither moved by two pixels in 256 nor recoloured is no forgery.
bool differs(const SelfBlendChanges& c, int side) {
  const int away = std::max({std::abs(c.shift_x), std::abs(c.shift_y), std::abs(c.scale_x - 1024) * side / 8, std::abs(c.scale_y - 1024) * side / 8});
  const int colour = std::abs(c.brightness) + std::max({std::abs(c.tint[0]), std::abs(c.tint[1]), std::abs(c.tint[2])});
  return away >= 2 * side && colour >= 6;
}

SelfBlendChanges draw_once(RandomStream& random, int side) {
  SelfBlendChanges c;
  c.scale_x = between(random, 973, 1078);
  c.scale_y = between(random, 973, 1078);
  const int furthest = side * 256 * 3 / 100;
  c.shift_x = between(random, -furthest, furthest);
  c.shift_y = between(random, -furthest, furthest);
  c.colour_inside = random.below(2) == 1;
  for (int& t : c.tint) t = between(random, -14, 14);
  c.contrast = between(random, 224, 288);
  c.brightness = between(random, -14, 14);
  c.saturation = between(random, 192, 320);
  c.sharpness_inside = random.below(2) == 1;
  const bool softer = random.below(2) == 1;
  const int less = between(random, -256, -64), more = between(random, 64, 192);
  c.sharpness = softer ? less : more;
  c.centre_x = between(random, -40, 40);
  c.centre_y = between(random, 0, 90);
  c.radius_x = between(random, 210, 320);
  c.radius_y = between(random, 260, 380);
  c.tilt = between(random, -200, 200);
  c.softness = between(random, 20, 140);
  const int sixth = between(random, 1, 6);
  c.opacity = sixth == 1 ? 128 : sixth == 2 ? 192 : 256;
  return c;
}

}  // namespace

SelfBlendChanges draw_self_blend(std::uint64_t seed, std::uint32_t index, int side) {
  RandomStream random(seed, RandomPurpose::kBlendedData, 1, index);
  return draw_self_blend(random, side);
}

SelfBlendChanges draw_self_blend(RandomStream& random, int side) {
  while (true) {
    const SelfBlendChanges changes = draw_once(random, side);
    if (differs(changes, side)) return changes;
  }
}

SelfBlend self_blend(const Image& face, const SelfBlendChanges& changes) {
  SEPIA_CHECK(face.width == face.height && face.width >= 8, "[self_blend] a face must be a square of at least 8 pixels, got ", face.width, "x", face.height);
  Image outer = face, inner = face;
  Image& coloured = changes.colour_inside ? inner : outer;
  coloured = recoloured(coloured, changes);
  Image& sharpened = changes.sharpness_inside ? inner : outer;
  sharpened = with_sharpness(sharpened, changes.sharpness);
  inner = moved(inner, changes);

  // The ellipse lives in coordinates of a picture of 256 pixels, in 1/16 pixel: 1/1024 of a side is 4 of these.
  SelfBlend result{.picture = outer, .mask = Image(face.width, face.height)};
  const detail::Ellipse ellipse{.u = 4 * changes.centre_x, .v = 4 * changes.centre_y, .ru = 4 * changes.radius_x, .rv = 4 * changes.radius_y,
                                .softness = 4 * changes.softness};
  const int middle = face.width * 8;  // in 1/16 pixel
  const detail::Canvas canvas(result.picture, {.x = middle, .y = middle, .scale = face.width, .tilt = changes.tilt});
  for (int y = 0; y < face.height; ++y) {
    for (int x = 0; x < face.width; ++x) {
      const int alpha = ellipse.coverage(canvas.at(x, y)) * changes.opacity / 256;
      for (int c = 0; c < 3; ++c) {
        result.mask.pixel(x, y)[c] = to_byte(alpha * 255 / 256);
        result.picture.pixel(x, y)[c] = to_byte((outer.pixel(x, y)[c] * (256 - alpha) + inner.pixel(x, y)[c] * alpha + 128) / 256);
      }
    }
  }
  return result;
}

}  // namespace sepia
