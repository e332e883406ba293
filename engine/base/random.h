// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// A number is a pure function of (seed, stream, index): no state is carried, so results do not depend on the number of
// threads or on where a run was resumed.
#pragma once

#include <array>
#include <cstdint>

namespace sepia {

/// Philox4x32 with 10 rounds: 128 random bits from a 128-bit counter and a 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// What a random stream is for; keeps streams of one seed apart.
enum class RandomPurpose : std::uint32_t {
  kInitialisation = 1,
  kShuffle = 2,
  kAugmentation = 3,
  kToyData = 4,
  kBootstrap = 5,
  kExplanation = 6,
  kBlendedData = 7,
  kFreshBlend = 8,
  kTest = 100,
};

/// A stream of random numbers, a function of (seed, purpose, a, b) and of how many were drawn. Cheap to make: make one
/// per (epoch, sample) rather than share one.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint32_t a = 0, std::uint32_t b = 0);

  /// Uniform 32 bits.
  std::uint32_t next_u32();
  /// Uniform in [0, 1) with 53 bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform integer in [0, bound), without bias; bound > 0.
  std::uint32_t below(std::uint32_t bound);
  /// Standard normal (Box-Muller; one of the pair is thrown away so that draws stay countable).
  double normal();

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;  // {block index low, purpose, a, b}
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
};

}  // namespace sepia
