// Pictures with nothing in them, against which a score can be compared.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/ops/images.h"

namespace sepia::explain {

enum class Baseline : std::uint8_t {
  kBlur,   ///< the picture itself under a Gaussian blur of sigma = side / 16
  kBlack,  ///< black pixels
  kMean,   ///< pixels of the normalisation's mean colour: zero in the network's input
};

/// "blur", "black", "mean". Throws kUsage for another name.
Baseline baseline_named(const std::string& name);
const char* baseline_name(Baseline baseline);

/// The baseline of each of N pictures of height x width x 3, in the network's input (normalised) values.
std::vector<float> baseline_of(Baseline baseline, std::span<const float> input, std::int64_t height, std::int64_t width, const ops::Normalisation& normalisation);

/// N pictures (height, width, channels) under a Gaussian blur, truncated at 3 sigma, the border's pixels repeated outwards.
std::vector<float> blurred(std::span<const float> pictures, std::int64_t height, std::int64_t width, double sigma, std::int64_t channels = 3);

}  // namespace sepia::explain
