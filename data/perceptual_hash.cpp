#include "data/perceptual_hash.h"

#include <bit>

#include "data/resize.h"

namespace sepia {

PerceptualHash perceptual_hash(const Image& image) {
  constexpr int kSide = 16;
  const Image small = resize(image, kSide + 1, kSide);
  const auto grey = [&](int x, int y) {
    const std::uint8_t* p = small.pixel(x, y);
    return 299 * p[0] + 587 * p[1] + 114 * p[2];
  };
  PerceptualHash hash{};
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const int bit = y * kSide + x;
      if (grey(x + 1, y) > grey(x, y)) hash[static_cast<std::size_t>(bit / 64)] |= std::uint64_t{1} << (bit % 64);
    }
  }
  return hash;
}

int hash_distance(const PerceptualHash& a, const PerceptualHash& b) {
  int distance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) distance += std::popcount(a[i] ^ b[i]);
  return distance;
}

}  // namespace sepia
