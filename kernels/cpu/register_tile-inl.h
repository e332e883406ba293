// What the register tiles of the matrix products share: one step's numbers of a row in all lanes, one step's numbers of a packed matrix,
// and their product added. In bf16 a step is a pair of numbers. Included like vector-inl.h, after it.
#if defined(SEPIA_KERNELS_CPU_REGISTER_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SEPIA_KERNELS_CPU_REGISTER_TILE_INL_H_
#undef SEPIA_KERNELS_CPU_REGISTER_TILE_INL_H_
#else
#define SEPIA_KERNELS_CPU_REGISTER_TILE_INL_H_
#endif

#include <cstring>
#include <type_traits>

#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

/// Rows of a tile of two vectors of columns: with the two vectors and a broadcast number they fill the registers.
inline constexpr int kTileRows = kManyRegisters ? 12 : 6;
/// Columns of a tile, and of a block of a packed matrix.
inline constexpr std::int64_t kBlock = 2 * kLanes;
/// Numbers of k in one step.
template <class In>
inline constexpr std::int64_t kTogether = sizeof(float) / sizeof(In);

HWY_INLINE V everywhere(const float* x) { return splat(*x); }
HWY_INLINE V everywhere(const bf16* x) {
  std::uint32_t pair = 0;
  std::memcpy(&pair, x, sizeof pair);
  return hn::BitCast(Floats(), hn::Set(Words(), pair));
}
HWY_INLINE V load_step(const float* packed) { return hn::LoadU(Floats(), packed); }
HWY_INLINE V load_step(const bf16* packed) { return hn::BitCast(Floats(), hn::LoadU(Words(), reinterpret_cast<const std::uint32_t*>(packed))); }
template <class In>
HWY_INLINE V add_product(V sum, V w, V x) {
  if constexpr (std::is_same_v<In, bf16>) return add_products_of_pairs(sum, w, x);
  else return hn::MulAdd(w, x, sum);
}

/// body(first, second): the lanes of a block's two vectors of which `columns` numbers are there. Where they end within the first, the
/// second is not to be touched.
template <class Body>
HWY_INLINE void with_lanes_of_block(std::int64_t columns, const Body& body) {
  const auto tail = [](std::int64_t count) HWY_ATTR { return TailLanes{static_cast<std::size_t>(count)}; };
  if (columns >= kBlock) body(FullLanes{}, FullLanes{});
  else if (columns >= kLanes) body(FullLanes{}, tail(columns - kLanes));
  else body(tail(columns), tail(0));
}

/// tile(first row) for tiles of kTileRows rows while they fit, then of 8, 4 and 1: tile is called as tile.operator()<kRows>(row).
template <class Tile>
HWY_INLINE void for_tiles(std::int64_t rows, const Tile& tile) {
  std::int64_t m = 0;
  for (; m + kTileRows <= rows; m += kTileRows) tile.template operator()<kTileRows>(m);
  if constexpr (kTileRows > 8) {
    for (; m + 8 <= rows; m += 8) tile.template operator()<8>(m);
  }
  for (; m + 4 <= rows; m += 4) tile.template operator()<4>(m);
  for (; m < rows; ++m) tile.template operator()<1>(m);
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
