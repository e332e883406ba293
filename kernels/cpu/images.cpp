// Pictures in bytes as a network's input (kernels/elementwise.h): normalised, cut and mirrored, or as residuals.
#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "engine/base/parallel_for.h"
#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/images.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

using Doubles = hn::ScalableTag<double>;
constexpr std::int64_t kDoubles = hn::MaxLanes(Doubles());
// Three channels in turn: after three vectors the same channel stands in the same lane again.
constexpr std::int64_t kTurn = 3 * kDoubles;

/// out[i] = bytes[i] * scale[i % 3] + shift[i % 3], in double and rounded once, for count divisible by 3.
void BytesToFloats(std::int64_t count, const std::uint8_t* bytes, const double* scale, const double* shift, float* out) {
  const Doubles d;
  const hn::Rebind<std::uint8_t, Doubles> narrow;
  const hn::Rebind<std::int32_t, Doubles> whole;
  const hn::Rebind<float, Doubles> floats;
  HWY_ALIGN double scales[kTurn], shifts[kTurn];
  for (std::int64_t i = 0; i < kTurn; ++i) scales[i] = scale[i % 3], shifts[i] = shift[i % 3];
  const auto turn = [&](const std::uint8_t* from, float* to) HWY_ATTR {
    for (std::int64_t at = 0; at < kTurn; at += kDoubles) {
      const auto value = hn::PromoteTo(d, hn::PromoteTo(whole, hn::LoadU(narrow, from + at)));
      hn::StoreU(hn::DemoteTo(floats, hn::MulAdd(value, hn::Load(d, scales + at), hn::Load(d, shifts + at))), floats, to + at);
    }
  };
  std::int64_t i = 0;
  for (; i + kTurn <= count; i += kTurn) turn(bytes + i, out + i);
  if (i == count) return;
  std::uint8_t last[kTurn] = {};
  float values[kTurn];
  std::memcpy(last, bytes + i, static_cast<std::size_t>(count - i));
  turn(last, values);
  std::copy_n(values, count - i, out + i);
}

/// out[i] = bf16(x[i]).
void FloatsToHalves(std::int64_t count, const float* x, bf16* out) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR { lanes.store(lanes.load(x + i), out + i); });
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(BytesToFloats);
HWY_EXPORT(FloatsToHalves);

namespace {

/// The map of each channel, value * scale + shift, where value is a byte.
struct ByteMap {
  double scale[3], shift[3];

  ByteMap(const std::array<double, 3>& mean, const std::array<double, 3>& std) {
    for (std::size_t c = 0; c < 3; ++c) {
      scale[c] = 1 / (255 * std[c]);
      shift[c] = -mean[c] / std[c];
    }
  }

  /// `count` bytes of three channels in turn, from the first channel on.
  void operator()(std::int64_t count, const std::uint8_t* bytes, float* out) const { HWY_DYNAMIC_DISPATCH(BytesToFloats)(count, bytes, scale, shift, out); }
};

/// What the map makes of all bytes, to be looked up where they are not taken in order.
struct ByteTable {
  float of[256][3];

  explicit ByteTable(const ByteMap& map) {
    std::uint8_t bytes[256][3];
    for (int value = 0; value < 256; ++value) std::fill_n(bytes[value], 3, static_cast<std::uint8_t>(value));
    map(3 * 256, bytes[0], of[0]);
  }
};

/// Output row h of picture n, cut and mirrored.
template <class T>
void cut_row(const ImagesToInput<T>& a, const ByteTable& table, std::int64_t n, std::int64_t h) {
  const std::int64_t rows = a.source_rows(), columns = a.source_columns();
  const std::int64_t row = (a.crop_y ? a.crop_y[n] : 0) + h, left = a.crop_x ? a.crop_x[n] : 0;
  const bool flip = a.flip && a.flip[n];
  T* y = a.y + (n * a.height + h) * a.width * 3;
  for (std::int64_t w = 0; w < a.width; ++w) {
    const std::int64_t column = left + (flip ? a.width - 1 - w : w);
    const bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
    for (std::int64_t c = 0; c < 3; ++c) y[w * 3 + c] = static_cast<T>(table.of[inside ? a.pixels[((n * rows + row) * columns + column) * 3 + c] : 0][c]);
  }
}

template <class T>
void input_of(const ImagesToInput<T>& a) {
  const ByteMap map(a.mean, a.std);
  if (!a.as_they_lie()) {
    const ByteTable table(map);
    parallel_for(a.batch * a.height, [&](std::int64_t row) { cut_row(a, table, row / a.height, row % a.height); });
    return;
  }
  constexpr std::int64_t kPiece = 3 * 8192, kBuffer = 3 * 256;
  const std::int64_t count = a.batch * a.height * a.width * 3;
  parallel_for(pieces_of(count, kPiece), [&](std::int64_t piece) {
    const std::int64_t begin = piece * kPiece, end = std::min(count, begin + kPiece);
    if constexpr (std::is_same_v<T, float>) {
      map(end - begin, a.pixels + begin, a.y + begin);
    } else {
      float buffer[kBuffer];
      for (std::int64_t at = begin; at < end; at += kBuffer) {
        const std::int64_t part = std::min(kBuffer, end - at);
        map(part, a.pixels + at, buffer);
        HWY_DYNAMIC_DISPATCH(FloatsToHalves)(part, buffer, a.y + at);
      }
    }
  });
}

template <class T>
void residual_of(const ImagesToResidual<T>& a) {
  using Residual = ImagesToResidual<T>;
  constexpr std::int64_t kChannels = 3;
  parallel_for(a.batch * a.height, [&](std::int64_t row) {
    const std::int64_t n = row / a.height, h = row % a.height, length = a.width * kChannels;
    const auto source = [&](std::int64_t from) { return a.pixels + (n * a.height + reflected(from, a.height)) * length; };
    const std::uint8_t *up = source(h - 1), *here = source(h), *down = source(h + 1);
    T* y = a.y + row * length;
    // The column's sum over the three rows, at element i of a row.
    const auto column = [&](std::int64_t i) { return up[i] + 2 * here[i] + down[i]; };
    const auto write = [&](std::int64_t i, std::int64_t left, std::int64_t right) {
      const int r = 16 * here[i] - (column(left) + 2 * column(i) + column(right));
      y[i] = static_cast<T>(static_cast<float>(std::clamp(r, -Residual::kBound, Residual::kBound)) / static_cast<float>(Residual::kDivisor));
    };
    for (std::int64_t c = 0; c < kChannels; ++c) {
      write(c, reflected(-1, a.width) * kChannels + c, reflected(1, a.width) * kChannels + c);
      if (a.width > 1) write(length - kChannels + c, length - 2 * kChannels + c, length - 2 * kChannels + c);
    }
    for (std::int64_t i = kChannels; i < length - kChannels; ++i) write(i, i - kChannels, i + kChannels);
  });
}

}  // namespace

void images_to_input(const LaunchContext&, const ImagesToInput<float>& a) { input_of(a); }
void images_to_input(const LaunchContext&, const ImagesToInput<bf16>& a) { input_of(a); }
void images_to_residual(const LaunchContext&, const ImagesToResidual<float>& a) { residual_of(a); }
void images_to_residual(const LaunchContext&, const ImagesToResidual<bf16>& a) { residual_of(a); }

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
