// Bytes of pictures as numbers: the one place on the CPU where they are normalised.
#pragma once

#include <array>
#include <cstdint>

#include "engine/base/bf16.h"

namespace sepia::kernels::cpu {

/// y = (v / 255 - mean[c]) / std[c] for bytes v whose channels 0, 1, 2 follow each other. As v * scale + shift, scale in two parts, the first of
/// which times any byte is exact: no further than one unit in the last place of the largest y from the exact value.
class PixelMap {
 public:
  PixelMap() = default;
  PixelMap(const std::array<double, 3>& mean, const std::array<double, 3>& std);

  /// `count` bytes in order, from channel 0 on, to `out`; count is divisible by 3. On the calling thread. Cost: a quarter of a byte of bytes
  /// read for each byte written in float; bound by the cache.
  void operator()(std::int64_t count, const std::uint8_t* bytes, float* out) const;
  void operator()(std::int64_t count, const std::uint8_t* bytes, bf16* out) const;  ///< the same, rounded

  /// Three vectors of the widest kind: after them, or after three vectors of any kind, channel 0 stands in the first lane again.
  static constexpr std::int64_t kTurn = 3 * 16;
  struct Turn {
    float scale[kTurn], rest[kTurn], shift[kTurn];  ///< of the channel that the lane holds; scale + rest is the factor
  };

 private:
  Turn turn_;
};

}  // namespace sepia::kernels::cpu
