// Pictures in bytes as a network's input (kernels/elementwise.h): normalised, cut and mirrored, or as residuals.
#include <algorithm>
#include <array>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/pixels.h"
#include "kernels/elementwise.h"

namespace sepia::kernels::cpu {
namespace {

/// What the map makes of all bytes, to be looked up where they are not taken in order.
struct PixelTable {
  float of[256][3];

  explicit PixelTable(const PixelMap& map) {
    std::uint8_t bytes[256][3];
    for (int value = 0; value < 256; ++value) std::fill_n(bytes[value], 3, static_cast<std::uint8_t>(value));
    map(3 * 256, bytes[0], of[0]);
  }
};

/// Output row h of picture n, cut and mirrored.
template <class T>
void cut_row(const ImagesToInput<T>& a, const PixelTable& table, std::int64_t n, std::int64_t h) {
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
  const PixelMap map(a.mean, a.std);
  if (!a.as_they_lie()) {
    const PixelTable table(map);
    parallel_for(a.batch * a.height, [&](std::int64_t row) { cut_row(a, table, row / a.height, row % a.height); });
    return;
  }
  constexpr std::int64_t kPiece = 3 * 8192;
  const std::int64_t count = a.batch * a.height * a.width * 3;
  parallel_for(pieces_of(count, kPiece), [&](std::int64_t piece) {
    const std::int64_t begin = piece * kPiece;
    map(std::min(kPiece, count - begin), a.pixels + begin, a.y + begin);
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
