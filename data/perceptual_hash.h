// A hash of what a picture looks like, to find the same one saved anew, scaled or slightly changed.
#pragma once

#include <array>
#include <cstdint>

#include "data/image.h"

namespace sepia {

/// 256 bits; pictures that look alike differ in few.
using PerceptualHash = std::array<std::uint64_t, 4>;

/// The difference hash: the picture in grey, resized to 17 x 16; each bit says whether a value is greater than its left
/// neighbour. (N. Krawetz, "Kind of Like That", 2013, with 16 x 16 bits for 8 x 8, because faces in one pose are all alike.)
PerceptualHash perceptual_hash(const Image& image);

/// Bits that differ, 0..256.
int hash_distance(const PerceptualHash& a, const PerceptualHash& b);

}  // namespace sepia
