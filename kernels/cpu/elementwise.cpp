// Element-wise kernels (kernels/elementwise.h). All are bound by memory: each array is read or written once, in order, and a few
// instructions per vector are spent on it. Elements are independent, so results do not depend on threads.
#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

template <class T>
void affine_relu_forward_vector(const AffineReluForward<T>& a) {
  for_rows(a.rows, a.channels, a.prologue.scale != nullptr, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    lanes.store(load_act(a.prologue, lanes, c).value(lanes.load(a.x + i)), a.y + i);
  });
}

template <class T>
void affine_relu_backward_vector(const AffineReluBackward<T>& a) {
  if (!a.prologue.relu) {
    return for_flat(a.rows * a.channels,
                    [&](auto lanes, std::int64_t i) HWY_ATTR { store(lanes, lanes.load(a.grad_y + i), a.grad_x + i, a.accumulate); });
  }
  for_rows(a.rows, a.channels, a.prologue.scale != nullptr, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    const V passed = load_act(a.prologue, lanes, c).pass(lanes.load(a.x + i), lanes.load(a.grad_y + i));
    store(lanes, passed, a.grad_x + i, a.accumulate);
  });
}

template <class T>
void add_forward_vector(const AddForward<T>& a) {
  const bool per_channel = a.prologue_a.scale || a.prologue_b.scale;
  for_rows(a.rows, a.channels, per_channel, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    const V first = load_act(a.prologue_a, lanes, c).value(lanes.load(a.a + i));
    const V second = load_act(a.prologue_b, lanes, c).value(lanes.load(a.b + i));
    lanes.store(hn::Add(first, second), a.y + i);
  });
}

template <class T>
void accumulate_into_vector(const AccumulateInto<T>& a) {
  for_flat(a.count, [&](auto lanes, std::int64_t i) HWY_ATTR { store(lanes, lanes.load(a.source + i), a.destination + i, a.accumulate); });
}

SEPIA_EXPORT_TYPES(affine_relu_forward, AffineReluForward)
SEPIA_EXPORT_TYPES(affine_relu_backward, AffineReluBackward)
SEPIA_EXPORT_TYPES(add_forward, AddForward)
SEPIA_EXPORT_TYPES(accumulate_into, AccumulateInto)

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(affine_relu_forward, AffineReluForward)
SEPIA_DISPATCH(affine_relu_backward, AffineReluBackward)
SEPIA_DISPATCH(add_forward, AddForward)
SEPIA_DISPATCH(accumulate_into, AccumulateInto)

/// A byte has 256 values, so each channel's map is a table, computed in double once per call.
template <class T>
struct ByteTables {
  T of[3][256];

  ByteTables(const std::array<double, 3>& mean, const std::array<double, 3>& std) {
    for (std::size_t c = 0; c < 3; ++c) {
      for (int value = 0; value < 256; ++value) of[c][value] = static_cast<T>(static_cast<float>((value / 255.0 - mean[c]) / std[c]));
    }
  }
};

/// Output row h of picture n, cut and mirrored.
template <class T>
void cut_row(const ImagesToInput<T>& a, const ByteTables<T>& tables, std::int64_t n, std::int64_t h) {
  const std::int64_t rows = a.source_rows(), columns = a.source_columns();
  const std::int64_t row = (a.crop_y ? a.crop_y[n] : 0) + h, left = a.crop_x ? a.crop_x[n] : 0;
  const bool flip = a.flip && a.flip[n];
  T* y = a.y + (n * a.height + h) * a.width * 3;
  for (std::int64_t w = 0; w < a.width; ++w) {
    const std::int64_t column = left + (flip ? a.width - 1 - w : w);
    const bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
    for (std::int64_t c = 0; c < 3; ++c) y[w * 3 + c] = tables.of[c][inside ? a.pixels[((n * rows + row) * columns + column) * 3 + c] : 0];
  }
}

template <class T>
void input_of(const ImagesToInput<T>& a) {
  constexpr std::int64_t kChannels = 3, kPixelsPerPiece = 16384;
  const ByteTables<T> tables(a.mean, a.std);
  if (!a.as_they_lie()) {
    parallel_for(a.batch * a.height, [&](std::int64_t row) { cut_row(a, tables, row / a.height, row % a.height); });
    return;
  }
  const std::int64_t pixels = a.batch * a.height * a.width;
  parallel_for(pieces_of(pixels, kPixelsPerPiece), [&](std::int64_t piece) {
    const std::int64_t end = std::min(pixels, (piece + 1) * kPixelsPerPiece);
    for (std::int64_t i = piece * kPixelsPerPiece; i < end; ++i) {
      for (std::int64_t c = 0; c < kChannels; ++c) a.y[i * kChannels + c] = tables.of[c][a.pixels[i * kChannels + c]];
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

void images_to_input(const LaunchContext&, const ImagesToInput<float>& a) { input_of(a); }
void images_to_input(const LaunchContext&, const ImagesToInput<bf16>& a) { input_of(a); }
void images_to_residual(const LaunchContext&, const ImagesToResidual<float>& a) { residual_of(a); }
void images_to_residual(const LaunchContext&, const ImagesToResidual<bf16>& a) { residual_of(a); }

}  // namespace sepia::kernels::cpu
#endif
