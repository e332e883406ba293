#include "data/toy_looks.h"

#include <array>

namespace sepia::detail {

namespace {

template <std::size_t N>
Colour pick(RandomStream& random, const std::array<Colour, N>& colours) {
  return colours[random.below(N)];
}

constexpr std::array<Colour, 8> kSkins = {
    {{255, 224, 196}, {244, 205, 172}, {232, 184, 146}, {214, 160, 118}, {188, 130, 90}, {152, 100, 68}, {118, 76, 52}, {92, 58, 42}}};
constexpr std::array<Colour, 9> kHairs = {{{36, 28, 26},
                                           {62, 42, 32},
                                           {98, 62, 38},
                                           {140, 92, 50},
                                           {190, 140, 78},
                                           {226, 190, 120},
                                           {158, 70, 38},
                                           {150, 150, 154},
                                           {208, 206, 202}}};
constexpr std::array<Colour, 6> kEyes = {{{74, 48, 30}, {104, 70, 38}, {70, 104, 66}, {66, 108, 150}, {110, 128, 140}, {44, 34, 28}}};
constexpr std::array<Colour, 10> kBackgrounds = {{{158, 196, 206},
                                                  {226, 200, 170},
                                                  {178, 206, 170},
                                                  {206, 178, 202},
                                                  {120, 146, 170},
                                                  {222, 214, 190},
                                                  {150, 130, 118},
                                                  {96, 116, 110},
                                                  {238, 190, 170},
                                                  {170, 170, 184}}};
constexpr std::array<Colour, 9> kShirts = {{{60, 84, 120},
                                            {150, 60, 62},
                                            {72, 112, 90},
                                            {210, 204, 192},
                                            {58, 58, 66},
                                            {196, 148, 66},
                                            {120, 86, 130},
                                            {100, 150, 164},
                                            {222, 132, 112}}};

}  // namespace

Looks draw_looks(RandomStream& random) {
  Looks k{};
  k.skin = varied(random, pick(random, kSkins), 8);
  k.hair = varied(random, pick(random, kHairs), 10);
  k.eye = varied(random, pick(random, kEyes), 10);
  k.background_a = varied(random, pick(random, kBackgrounds), 16);
  k.background_b = varied(random, pick(random, kBackgrounds), 16);
  k.shirt = varied(random, pick(random, kShirts), 12);
  k.lips = mix(k.skin, {186, 62, 74}, between(random, 110, 200));
  k.head_ru = between(random, 58, 67) * kPx;
  k.head_rv = between(random, 78, 88) * kPx;
  k.taper = between(random, 20, 80);
  k.light = between(random, -256, 256);
  k.eye_gap = between(random, 25, 30) * kPx;
  k.eye_ru = between(random, 11, 14) * kPx;
  k.eye_rv = between(random, 7, 11) * kPx;
  k.eye_v = -between(random, 2, 10) * kPx;
  k.gaze_u = between(random, -3 * kPx, 3 * kPx);
  k.gaze_v = between(random, -kPx, kPx);
  k.brow_lift = between(random, 13, 20) * kPx;
  k.brow_tilt = between(random, -3 * kPx, 3 * kPx);
  k.brow_radius = between(random, 26, 52);
  k.nose_length = between(random, 20, 28) * kPx;
  k.nose_width = between(random, 7, 11) * kPx;
  k.mouth_v = between(random, 40, 46) * kPx;
  k.mouth_width = between(random, 17, 25) * kPx;
  k.smile = between(random, -2, 10) * kPx;
  k.open_mouth = chance(random, 40);
  k.glasses = chance(random, 25);
  k.freckles = chance(random, 20);
  k.blush = chance(random, 60);
  k.beard = chance(random, 18);
  constexpr HairStyle kStyles[] = {HairStyle::kBald, HairStyle::kShort, HairStyle::kShort, HairStyle::kLong,
                                   HairStyle::kLong, HairStyle::kCurly, HairStyle::kBun};
  k.style = kStyles[random.below(7)];
  k.fringe = between(random, -30, 30) * kPx;
  return k;
}

}  // namespace sepia::detail
