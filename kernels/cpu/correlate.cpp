// A register tile holds kBlock output channels x kVectors vectors of consecutive positions. For each tap (c, r, s) the tile takes
// kVectors shifted loads of the input plane and kBlock broadcast weights, and does kBlock * kVectors fused multiply-adds:
// with AVX-512 6 x 4 or 8 x 3 in 32 registers, so that the multiply-add units and not the loads are the bound.
// In bf16 (stride 1) the planes hold pairs of channels in 32 bits, and one instruction adds both products: half the taps.
// Cost: 2 FLOP for each tap, output channel and position; bound by arithmetic.
#include "kernels/cpu/correlate.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/correlate.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

#ifndef SEPIA_CORRELATE_ONCE
#define SEPIA_CORRELATE_ONCE
namespace sepia::kernels::cpu {

// One block of output channels over all positions of a band.
struct PlanarTile {
  const float* input;        // planes of floats, or of pairs of bf16 numbers in 32 bits
  const std::int64_t* taps;  // distance of each tap, or pair of taps
  std::int64_t tap_count;
  const float* weights;  // (taps, block), or pairs
  const float* bias;     // (block)
  std::int64_t positions;
  float* output;  // planes, out_plane apart
  std::int64_t out_plane;
  std::int64_t channels;  // of the block that exist; the others have zero weights and are not stored
};

}  // namespace sepia::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

constexpr std::int64_t kLargestBlock = kManyRegisters ? 8 : 6;
constexpr int vectors_for(int block) {
  if (kManyRegisters) return block >= 7 ? 3 : block >= 5 ? 4 : 6;
  return block >= 5 ? 2 : block >= 3 ? 3 : 4;
}

template <int kBlock, bool kPairs>
HWY_NOINLINE void RunTile(const PlanarTile& t) {
  constexpr int kVectors = vectors_for(kBlock);
  const Floats d;
  for (std::int64_t position = 0; position < t.positions; position += kVectors * kLanes) {
    V sum[kBlock][kVectors];
    for (int k = 0; k < kBlock; ++k) {
      for (int v = 0; v < kVectors; ++v) sum[k][v] = hn::Set(d, t.bias[k]);
    }
    const float* weights = t.weights;
    const float* input = t.input + position;
    for (std::int64_t tap = 0; tap < t.tap_count; ++tap, weights += kBlock) {
      const float* from = input + t.taps[tap];
      V x[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) x[v] = hn::LoadU(d, from + v * kLanes);
#pragma GCC unroll 8
      for (int k = 0; k < kBlock; ++k) {
        const V w = hn::Set(d, weights[k]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[k][v] = kPairs ? add_products_of_pairs(sum[k][v], w, x[v]) : hn::MulAdd(w, x[v], sum[k][v]);
      }
    }
    // Constant indices keep the sums in registers, hence the full loop with a test inside.
#pragma GCC unroll 8
    for (int k = 0; k < kBlock; ++k) {
      if (k >= t.channels) continue;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[k][v], d, t.output + k * t.out_plane + position + v * kLanes);
    }
  }
}

template <bool kPairs>
void RunBlock(std::int64_t block, const PlanarTile& tile) {
  switch (block) {
    case 1:
      return RunTile<1, kPairs>(tile);
    case 2:
      return RunTile<2, kPairs>(tile);
    case 3:
      return RunTile<3, kPairs>(tile);
    case 4:
      return RunTile<4, kPairs>(tile);
    case 5:
      return RunTile<5, kPairs>(tile);
    case 6:
      return RunTile<6, kPairs>(tile);
    default:
      break;
  }
  if constexpr (kManyRegisters) {
    if (block == 7) return RunTile<7, kPairs>(tile);
    RunTile<8, kPairs>(tile);
  }
}

void RunPlanarTile(std::int64_t block, const PlanarTile& tile) { RunBlock<false>(block, tile); }
void RunPlanarTileOfPairs(std::int64_t block, const PlanarTile& tile) { RunBlock<true>(block, tile); }

std::int64_t PlanarBlock(std::int64_t channels) {
  return pieces_of(channels, pieces_of(channels, kLargestBlock));
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(RunPlanarTile);
HWY_EXPORT(RunPlanarTileOfPairs);
HWY_EXPORT(PlanarBlock);

namespace {

constexpr std::int64_t kSlack = 8 * 16;  // vectors of a tile may reach beyond the last position
constexpr std::int64_t kPositionsPerBand = 4096;

// A tap, or a pair of them: which weights it takes (a negative channel: none) and the distance to its input.
struct Tap {
  std::int64_t channel, row, column;        // of the lower half, or of the float
  std::int64_t upper_channel, upper_row;    // of the upper half
  std::int64_t distance;
};

std::vector<Tap> single_taps(const PlanarConv& conv, const PlaneLayout& layout) {
  std::vector<Tap> taps;
  for (std::int64_t c = 0; c < conv.in_channels; ++c) {
    for (std::int64_t r = 0; r < conv.kernel_h; ++r) {
      for (std::int64_t s = 0; s < conv.kernel_w; ++s) taps.push_back({c, r, s, -1, 0, layout.tap(c, r, s)});
    }
  }
  return taps;
}

// Over planes of pairs (load_pair_planes). An odd number of filter rows takes the last row together with the one before it, whose
// weight is zero then: nothing outside the window is multiplied.
std::vector<Tap> pairs_of_taps(const PlanarConv& conv, const PlaneLayout& layout) {
  std::vector<Tap> taps;
  const std::int64_t pairs = conv.in_channels / 2, last = conv.in_channels - 1;
  for (std::int64_t r = 0; r < conv.kernel_h * pairs; ++r) {
    const std::int64_t j = r / conv.kernel_h, row = r % conv.kernel_h;
    for (std::int64_t s = 0; s < conv.kernel_w; ++s) taps.push_back({2 * j, row, s, 2 * j + 1, row, layout.tap(j, row, s)});
  }
  if (conv.in_channels % 2 == 0) return taps;
  for (std::int64_t r = 0; r < conv.kernel_h; r += 2) {
    const bool whole = r + 1 < conv.kernel_h, one_row = conv.kernel_h == 1;
    for (std::int64_t s = 0; s < conv.kernel_w; ++s) {
      if (whole) taps.push_back({last, r, s, last, r + 1, layout.tap(pairs, r, s)});
      else if (one_row) taps.push_back({last, r, s, -1, 0, layout.tap(pairs, r, s)});
      else taps.push_back({-1, 0, s, last, r, layout.tap(pairs, r - 1, s)});
    }
  }
  return taps;
}

float pair_of(float lower, float upper) {
  return std::bit_cast<float>(std::uint32_t{bf16(lower).bits} | std::uint32_t{bf16(upper).bits} << 16);
}

}  // namespace

template <class T>
void correlate(const Correlation<T>& correlation) {
  const PlanarConv& conv = correlation.conv;
  const std::int64_t block = HWY_DYNAMIC_DISPATCH(PlanarBlock)(conv.out_channels), blocks = pieces_of(conv.out_channels, block);
  const PlanarBands bands(conv, kPositionsPerBand, correlation.rows_at_once);
  const PlaneLayout layout(conv, bands.rows, kSlack);
  const bool pairs = planes_of_pairs<T>(conv);
  const std::vector<Tap> list = pairs ? pairs_of_taps(conv, layout) : single_taps(conv, layout);
  // Filters by block as (taps, block), then biases, read by all threads.
  const auto taps = static_cast<std::int64_t>(list.size());
  float* weights = scratch(Scratch::kWeights, blocks * block * (taps + 1));
  float* biases = weights + blocks * block * taps;
  std::fill_n(weights, blocks * block * (taps + 1), 0.0F);
  auto* distances = reinterpret_cast<std::int64_t*>(scratch(Scratch::kTaps, 2 * taps));
  for (std::int64_t k = 0; k < conv.out_channels; ++k) {
    const PlanarFilters<T>& f = correlation.filters;
    const auto weight = [&](std::int64_t c, std::int64_t r, std::int64_t s) {
      return static_cast<float>(f.first[k * f.per_output + c * f.per_input + r * f.per_row + s * f.per_column]);
    };
    float* to = weights + k / block * block * taps + k % block;
    for (const Tap& t : list) {
      const float lower = t.channel < 0 ? 0.0F : weight(t.channel, t.row, t.column);
      const float upper = t.upper_channel < 0 ? 0.0F : weight(t.upper_channel, t.upper_row, t.column);
      *to = pairs ? pair_of(lower, upper) : lower;
      to += block;
    }
    if (correlation.bias) biases[k] = correlation.bias[k];
  }
  for (std::int64_t t = 0; t < taps; ++t) distances[t] = list[static_cast<std::size_t>(t)].distance;
  parallel_for(conv.batch * bands.per_picture, [&](std::int64_t index) {
    const Band band = bands.band(index);
    float* input = scratch(Scratch::kPanel, layout.input_floats(conv.in_channels));
    float* output = scratch(Scratch::kOutput, conv.out_channels * layout.out_plane);
    correlation.load(band, layout, input);
    for (std::int64_t b = 0; b < blocks; ++b) {
      const PlanarTile tile{input,
                            distances,
                            taps,
                            weights + b * block * taps,
                            biases + b * block,
                            layout.positions(band.rows, conv.out_width),
                            output + b * block * layout.out_plane,
                            layout.out_plane,
                            std::min(block, conv.out_channels - b * block)};
      if (pairs) HWY_DYNAMIC_DISPATCH(RunPlanarTileOfPairs)(block, tile);
      else HWY_DYNAMIC_DISPATCH(RunPlanarTile)(block, tile);
    }
    correlation.finish(band, layout, output);
  });
}

template <class T>
void load_pictures(const PlanarConv& conv, const InputRows<T>& input, const Band& band, const PlaneLayout& layout, float* planes) {
  if constexpr (std::is_same_v<T, bf16>) {
    if (planes_of_pairs<T>(conv)) return load_pair_planes(conv, layout, input, band, planes);
  }
  load_input_planes(conv, layout, input, band, planes);
}

template void correlate(const Correlation<float>&);
template void correlate(const Correlation<bf16>&);
template void load_pictures(const PlanarConv&, const InputRows<float>&, const Band&, const PlaneLayout&, float*);
template void load_pictures(const PlanarConv&, const InputRows<bf16>&, const Band&, const PlaneLayout&, float*);

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
