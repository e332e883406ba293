#include "data/toy_face.h"

#include <array>
#include <cstdlib>

#include "data/toy_looks.h"

namespace sepia::detail {

namespace {

/// Skin under the light: brighter on its side and above, darker towards the rim of the head.
Colour lit(const Colour& base, const Looks& k, Point p) {
  const int across = std::clamp(p.u * 256 / k.head_ru, -256, 256) * k.light / 256, down = std::clamp(p.v * 256 / k.head_rv, -256, 256);
  const int rim = (p.u * 16 / k.head_ru) * (p.u * 16 / k.head_ru) + (p.v * 16 / k.head_rv) * (p.v * 16 / k.head_rv);  // 256 at the rim
  return scaled(base, 262 + across * 26 / 256 - down * 14 / 256 - rim * 34 / 256);
}

void draw_background(Image& image, const Looks& k, RandomStream& random) {
  const bool across = chance(random, 50);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const Colour c = mix(k.background_a, k.background_b, across ? (x + y) / 2 : y);
      std::uint8_t* p = image.pixel(x, y);
      p[0] = static_cast<std::uint8_t>(c.r);
      p[1] = static_cast<std::uint8_t>(c.g);
      p[2] = static_cast<std::uint8_t>(c.b);
    }
  }
  Canvas whole(image, {});
  for (int i = between(random, 0, 9); i > 0; --i) {  // lights out of focus
    // One draw a statement: the order in which arguments are evaluated is the compiler's choice.
    const int radius = between(random, 10, 34) * kPx, softness = between(random, 2, 8) * kPx;
    const int u = between(random, -130, 130) * kPx, v = between(random, -130, 130) * kPx;
    const Colour hue = varied(random, k.background_b, 30);
    const int whiteness = between(random, 30, 160), opacity = between(random, 60, 150);
    whole.fill(Ellipse{u, v, radius, radius, softness}, mix(hue, {255, 250, 236}, whiteness), opacity);
  }
}

void draw_body(Canvas& canvas, const Looks& k) {
  const auto shirt = [&](Point p) { return scaled(k.shirt, 250 + std::clamp(p.u / kPx, -100, 100) * k.light / 1400); };
  canvas.fill(Ellipse{0, 172 * kPx, 104 * kPx, 72 * kPx, 24}, 256, shirt);
  const Colour shade = scaled(k.skin, 206);
  canvas.fill(Ellipse{0, 84 * kPx, 27 * kPx, 46 * kPx, 24}, shade);
  canvas.fill(Ellipse{0, 114 * kPx, 34 * kPx, 18 * kPx, 24}, shade);
  canvas.fill(Ellipse{k.light * 6 * kPx / 256, 112 * kPx, 20 * kPx, 11 * kPx, 12 * kPx}, mix(shade, k.skin, 160));
}

void draw_hair_behind(Canvas& canvas, const Looks& k, RandomStream& random) {
  const Colour dark = scaled(k.hair, 216);
  if (k.style == HairStyle::kLong) {
    canvas.fill(Ellipse{0, 2 * kPx, k.head_ru + 17 * kPx, k.head_rv + 20 * kPx, 24}, dark);
    canvas.fill(Ellipse{0, 66 * kPx, k.head_ru + 20 * kPx, between(random, 56, 84) * kPx, 24}, dark);
  } else if (k.style == HairStyle::kBun) {
    canvas.fill(Ellipse{0, -k.head_rv - 14 * kPx, 28 * kPx, 24 * kPx, 24}, dark);
    canvas.fill(Ellipse{0, -12 * kPx, k.head_ru + 7 * kPx, k.head_rv, 24}, dark);
  } else if (k.style == HairStyle::kCurly) {
    for (int i = 0; i < 26; ++i) {  // a wreath of curls
      const int u = -k.head_ru - 6 * kPx + (2 * k.head_ru + 12 * kPx) * i / 25,
                height = integer_sqrt(std::int64_t{k.head_ru + 10 * kPx} * (k.head_ru + 10 * kPx) - std::int64_t{u} * u);
      const int radius = between(random, 14, 21) * kPx;
      canvas.fill(Ellipse{u, -height * k.head_rv / k.head_ru * 230 / 256 + 8 * kPx, radius, radius, 24}, varied(random, dark, 8));
    }
  } else if (k.style == HairStyle::kShort) {
    canvas.fill(Ellipse{0, -14 * kPx, k.head_ru + 7 * kPx, k.head_rv - 2 * kPx, 24}, dark);
  }
}

void draw_head(Canvas& canvas, const Looks& k) {
  const Colour shade = scaled(k.skin, 214);
  for (const int side : {-1, 1}) {
    const int u = side * (k.head_ru - kPx);
    canvas.fill(Ellipse{u, 6 * kPx, 12 * kPx, 17 * kPx, 24}, 256, [&](Point p) { return lit(k.skin, k, p); });
    canvas.fill(Ellipse{u + side * 2 * kPx, 7 * kPx, 6 * kPx, 10 * kPx, 3 * kPx}, shade);
  }
  const Ellipse head{0, 0, k.head_ru, k.head_rv, 24, k.taper};
  canvas.fill(head, 256, [&](Point p) { return lit(k.skin, k, p); });
  if (k.beard && k.style != HairStyle::kLong) {
    const Ellipse beard{0, 62 * kPx, 52 * kPx, 40 * kPx, 14 * kPx};
    canvas.fill(
        beard, 210, [&](Point) { return scaled(k.hair, 236); }, [&](Point p) { return head.coverage(p); });
  }
  if (k.blush) {
    for (const int side : {-1, 1}) {
      canvas.fill(Ellipse{side * 36 * kPx, 26 * kPx, 17 * kPx, 12 * kPx, 14 * kPx}, mix(k.skin, {236, 96, 96}, 150), 90);
    }
  }
}

void draw_freckles(Canvas& canvas, const Looks& k, RandomStream& random) {
  for (int i = 0; i < 26; ++i) {
    const int u = between(random, 12, 44) * kPx * (i % 2 == 0 ? 1 : -1), v = between(random, 12, 32) * kPx;
    const int radius = between(random, 10, 18);
    canvas.fill(Ellipse{u, v, radius, radius, 14}, scaled(k.skin, 190), 150);
  }
}

void draw_eye(Canvas& canvas, const Looks& k, int side) {
  const int u = side * k.eye_gap, v = k.eye_v;
  const Ellipse white{u, v, k.eye_ru, k.eye_rv, 20};
  const auto inside = [&](Point p) { return white.coverage(p); };
  const int iris = std::min(k.eye_rv, 9 * kPx) + 8, iu = u + k.gaze_u, iv = v + k.gaze_v;
  canvas.fill(Ellipse{u, v, k.eye_ru + 5 * kPx, k.eye_rv + 5 * kPx, 7 * kPx}, scaled(k.skin, 206), 110);
  canvas.fill(white, {246, 244, 240});
  canvas.fill(
      Ellipse{iu, iv, iris, iris, 20}, 256,
      [&](Point p) {
        return mix(k.eye, {255, 255, 255}, std::clamp((p.v - iv) * 70 / iris, 0, 80));
      },
      inside);
  canvas.fill(
      Ellipse{iu, iv, iris * 120 / 256, iris * 120 / 256, 20}, 256,
      [](Point) {
        return Colour{20, 16, 16};
      },
      inside);
  canvas.fill(Ellipse{iu + k.light * 40 / 256, iv - 40, 30, 30, 16}, Colour{255, 255, 255}, 240);
  const std::array<Point, 5> lid = {{{u - k.eye_ru, v - k.eye_rv / 5},
                                     {u - k.eye_ru / 2, v - k.eye_rv * 220 / 256},
                                     {u, v - k.eye_rv},
                                     {u + k.eye_ru / 2, v - k.eye_rv * 220 / 256},
                                     {u + k.eye_ru, v - k.eye_rv / 5}}};
  canvas.fill(Stroke{lid, 18}, scaled(k.hair, 120), 230);
  const int bv = v - k.brow_lift, out = side * 17 * kPx;
  const std::array<Point, 4> brow = {{{u - out * 200 / 256, bv + 2 * kPx + k.brow_tilt},
                                      {u - out / 4, bv - kPx + k.brow_tilt / 2},
                                      {u + out / 2, bv - kPx},
                                      {u + out, bv + 5 * kPx - k.brow_tilt / 2}}};
  canvas.fill(Stroke{brow, k.brow_radius, 24}, mix(scaled(k.hair, 190), k.skin, 30), 235);
}

void draw_glasses(Canvas& canvas, const Looks& k) {
  const Colour frame{44, 38, 40};
  for (const int side : {-1, 1}) {
    const Ellipse outer{side * k.eye_gap, k.eye_v, 22 * kPx, 19 * kPx, 20}, inner{side * k.eye_gap, k.eye_v, 19 * kPx, 16 * kPx, 20};
    canvas.fill(
        outer, 235, [&](Point) { return frame; }, [&](Point p) { return 256 - inner.coverage(p); });
    canvas.fill(inner, Colour{230, 240, 250}, 30);
    const std::array<Point, 2> arm = {{{side * (k.eye_gap + 21 * kPx), k.eye_v - 3 * kPx}, {side * k.head_ru, k.eye_v - kPx}}};
    canvas.fill(Stroke{arm, 20}, frame, 235);
  }
  const std::array<Point, 3> bridge = {{{-k.eye_gap + 20 * kPx, k.eye_v}, {0, k.eye_v - 3 * kPx}, {k.eye_gap - 20 * kPx, k.eye_v}}};
  canvas.fill(Stroke{bridge, 20}, frame, 235);
}

void draw_nose(Canvas& canvas, const Looks& k) {
  const int tip = k.eye_v + k.nose_length + 8 * kPx, side = k.light >= 0 ? -1 : 1;
  const Colour shade = scaled(k.skin, 206);
  const std::array<Point, 3> ridge = {
      {{side * 6 * kPx, k.eye_v + 6 * kPx}, {side * 5 * kPx, tip - 10 * kPx}, {side * k.nose_width, tip - 2 * kPx}}};
  canvas.fill(Stroke{ridge, 24, 4 * kPx}, shade, 150);
  canvas.fill(Ellipse{0, tip - 3 * kPx, k.nose_width, 6 * kPx, 5 * kPx}, mix(k.skin, {255, 240, 230}, 60), 170);
  const std::array<Point, 3> base = {{{-k.nose_width, tip}, {0, tip + 4 * kPx}, {k.nose_width, tip}}};
  canvas.fill(Stroke{base, 16, 28}, scaled(k.skin, 176), 190);
}

void draw_mouth(Canvas& canvas, const Looks& k) {
  const int w = k.mouth_width, v = k.mouth_v, s = k.smile;
  if (k.open_mouth && s > 2 * kPx) {
    const Ellipse mouth{0, v - s / 3, w, s + 3 * kPx, 20};
    const auto lower = [&](Point p) { return coverage_of(p.v - (v - s / 3), 24); };
    canvas.fill(
        Ellipse{0, v - s / 3, w + 2 * kPx, s + 6 * kPx, 24}, 256, [&](Point) { return k.lips; }, lower);
    canvas.fill(
        mouth, 256,
        [](Point) {
          return Colour{104, 34, 40};
        },
        lower);
    canvas.fill(
        Ellipse{0, v - s / 3, w - 3 * kPx, 5 * kPx, 20}, 256,
        [](Point) {
          return Colour{248, 246, 240};
        },
        lower);
  } else {
    const std::array<Point, 5> lips = {{{-w, v - s}, {-w / 2, v - s / 4}, {0, v}, {w / 2, v - s / 4}, {w, v - s}}};
    canvas.fill(Stroke{lips, 44, 24}, k.lips, 240);
    canvas.fill(Stroke{lips, 14, 20}, scaled(k.lips, 150), 220);
  }
  canvas.fill(Ellipse{0, v + 12 * kPx, 12 * kPx, 3 * kPx, 5 * kPx}, scaled(k.skin, 200), 110);
}

void draw_hair_before(Canvas& canvas, const Looks& k, RandomStream& random) {
  if (k.style == HairStyle::kBald) return;
  const auto strands = [&](Point p) {
    return scaled(k.hair, 240 + ((p.u + p.v / 3) / 40 % 3) * 9 + std::clamp(p.u * k.light / k.head_ru, -256, 256) * 20 / 256);
  };
  // Hair is where the head is but the face is not: an ellipse for the forehead's edge, off the middle by the parting.
  const Ellipse cap{0, -8 * kPx, k.head_ru + 5 * kPx, k.head_rv + 3 * kPx, 24};
  const Ellipse forehead{k.fringe / 2, 34 * kPx, k.head_ru + 2 * kPx, k.head_rv - 6 * kPx, 28};
  const int lowest = k.style == HairStyle::kLong ? 30 * kPx : 0;
  canvas.fill(cap, 256, strands, [&](Point p) { return (256 - forehead.coverage(p)) * coverage_of(lowest - p.v, 10 * kPx) / 256; });
  if (k.style == HairStyle::kCurly) {
    for (int i = 0; i < 12; ++i) {
      const int u = -k.head_ru + 6 * kPx + (2 * k.head_ru - 12 * kPx) * i / 11, radius = between(random, 11, 16) * kPx;
      canvas.fill(Ellipse{u, -52 * kPx - (k.head_ru - std::abs(u)) / 5, radius, radius, 24}, varied(random, k.hair, 9));
    }
  } else {
    const int turn = k.fringe >= 0 ? 1 : -1;
    const std::array<Point, 4> lock = {{{-turn * k.head_ru * 3 / 4, -44 * kPx},
                                        {-turn * 20 * kPx, -62 * kPx},
                                        {turn * 24 * kPx, -60 * kPx},
                                        {turn * k.head_ru * 3 / 4, -34 * kPx}}};
    canvas.fill(Stroke{lock, 11 * kPx, 24}, 256, strands);
  }
}

/// Film grain: each pixel gets the same noise in all channels, half of it shared with its right neighbour.
void add_grain(Image& image, RandomStream& random) {
  const int strength = between(random, 9, 11);
  int previous = 0;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    if (i / 3 % 4 == 0) bits = random.next_u32();
    const int noise = static_cast<int>(bits & 15u) + static_cast<int>(bits >> 4 & 15u) - 15;  // triangular, -15..15
    bits >>= 8;
    const int value = (2 * noise + previous) * strength / 32;
    previous = noise;
    for (std::size_t c = 0; c < 3; ++c) image.rgb[i + c] = static_cast<std::uint8_t>(std::clamp(image.rgb[i + c] + value, 0, 255));
  }
}

}  // namespace

ToyFace draw_toy_face(RandomStream& random) {
  ToyFace face;
  face.image = Image(kToySide, kToySide);
  const Looks looks = draw_looks(random);
  face.place = {.x = between(random, 120, 136) * 16,
                .y = between(random, 122, 136) * 16,
                .scale = between(random, 236, 276),
                .tilt = between(random, -120, 120)};
  draw_background(face.image, looks, random);
  Canvas canvas(face.image, face.place);
  draw_hair_behind(canvas, looks, random);
  draw_body(canvas, looks);
  draw_head(canvas, looks);
  if (looks.freckles) draw_freckles(canvas, looks, random);
  draw_nose(canvas, looks);
  draw_mouth(canvas, looks);
  for (const int side : {-1, 1}) draw_eye(canvas, looks, side);
  if (looks.glasses) draw_glasses(canvas, looks);
  draw_hair_before(canvas, looks, random);
  add_grain(face.image, random);
  return face;
}

}  // namespace sepia::detail
