// Dense convolution (kernels/conv2d.h) as matrix products over gathered inputs, for any shape.
//
// Work is cut into bands of output rows of one picture. A band's columns matrix A is (positions, R*S*C), one row per output
// position holding the inputs under the filter in the order of the weights; it stays in the second-level cache.
//   forward          y = A W^T + bias                         W (K, R*S*C) as stored
//   backward weight  grad_W = sum over bands of grad_y^T A    partial sums per chunk of bands, added in order
//   backward input   grad_A = grad_y W, then each row is added back to the places it was gathered from; one picture is one piece
//                    of work, its bands run in order: no two threads add to the same place
// Chellapilla, Puri, Simard 2006, "High performance convolutional neural networks for document processing".
// Cost: 2 N P Q K R S C FLOP each way, and R*S/stride^2 copies of the input through the cache.
#include <algorithm>
#include <type_traits>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/conv2d_paths.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/padded_band.h"
#include "kernels/cpu/partials.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/weight_product.h"

namespace sepia::kernels::cpu {
namespace {

// How the output of one picture is cut into bands.
struct Bands {
  explicit Bands(const Conv2dShape& s) : shape(s) {
    constexpr std::int64_t kFloats = 1 << 17, kFewest = 4;  // columns matrix of at most half a MiB; bands of a single picture
    rows = std::clamp<std::int64_t>(kFloats / std::max<std::int64_t>(1, s.out_width() * taps()), 1, std::max<std::int64_t>(1, pieces_of(s.out_height(), kFewest)));
    per_picture = pieces_of(s.out_height(), rows);
  }

  std::int64_t taps() const { return shape.kernel_h * shape.kernel_w * shape.in_channels; }
  std::int64_t total() const { return shape.batch * per_picture; }

  Conv2dShape shape;
  std::int64_t rows, per_picture;
};

struct Band {
  Band(const Bands& bands, std::int64_t index)
      : n(index / bands.per_picture),
        first_row(index % bands.per_picture * bands.rows),
        rows(std::min(bands.rows, bands.shape.out_height() - first_row)),
        positions(rows * bands.shape.out_width()),
        first_position((n * bands.shape.out_height() + first_row) * bands.shape.out_width()) {}

  std::int64_t n, first_row, rows, positions, first_position;
};

// The columns matrix of a band, in the thread's panel.
template <class T>
const T* gather_columns(const Bands& bands, const Band& band, const InputRows<T>& rows_of_input) {
  const Conv2dShape& s = bands.shape;
  const std::int64_t run = s.kernel_w * s.in_channels, step = s.stride * s.in_channels;
  const PaddedBand<T> input =
      padded_band<T>(s, rows_of_input, band.n, band.first_row * s.stride, (band.rows - 1) * s.stride + s.kernel_h, Scratch::kOutput);
  T* columns = scratch_of<T>(Scratch::kPanel, band.positions * bands.taps());
  T* out = columns;
  for (std::int64_t p = 0; p < band.rows; ++p) {
    const T* rows = input.data + p * s.stride * input.row_pitch;
    for (std::int64_t q = 0; q < s.out_width(); ++q) {
      for (std::int64_t r = 0; r < s.kernel_h; ++r, out += run) std::copy_n(rows + r * input.row_pitch + q * step, run, out);
    }
  }
  return columns;
}

// Adds the gradient of a band's columns matrix to the padded picture it was gathered from.
void scatter_columns(const Bands& bands, const Band& band, const float* grad_columns, float* padded, std::int64_t row_pitch) {
  const Conv2dShape& s = bands.shape;
  const std::int64_t run = s.kernel_w * s.in_channels, step = s.stride * s.in_channels;
  for (std::int64_t p = 0; p < band.rows; ++p) {
    float* rows = padded + (band.first_row + p) * s.stride * row_pitch;
    for (std::int64_t q = 0; q < s.out_width(); ++q) {
      for (std::int64_t r = 0; r < s.kernel_h; ++r) {
        float* to = rows + r * row_pitch + q * step;
        for (std::int64_t i = 0; i < run; ++i) to[i] += grad_columns[i];
        grad_columns += run;
      }
    }
  }
}

}  // namespace

template <class T>
void conv2d_forward_im2col(const Conv2dForward<T>& args, PieceStatistics* statistics) {
  const Bands bands(args.shape);
  const std::int64_t filters = args.shape.out_channels;
  const WeightProduct<T> product({args.weight, bands.taps(), filters, true});
  const InputRows<T> input(args);
  if (statistics) statistics->start(bands.total());
  parallel_for(bands.total(), [&](std::int64_t index) {
    const Band band(bands, index);
    T* const y = args.y + band.first_position * filters;
    product.run(band.positions, gather_columns(bands, band, input), 0, filters, args.bias, y, filters);
    if (statistics) statistics->add(index, band.positions, y);
  });
}

template <class T>
void conv2d_backward_input_im2col(const Conv2dBackwardInput<T>& args) {
  const Conv2dShape& s = args.shape;
  const Bands bands(s);
  const std::int64_t filters = s.out_channels;
  const std::int64_t pitch = (s.width + 2 * s.padding) * s.in_channels, rows = s.height + 2 * s.padding;
  parallel_for(s.batch, [&](std::int64_t n) {
    float* padded = scratch(Scratch::kOutput, rows * pitch);
    std::fill_n(padded, rows * pitch, 0.0F);
    for (std::int64_t index = n * bands.per_picture; index < (n + 1) * bands.per_picture; ++index) {
      const Band band(bands, index);
      float* grad_columns = scratch(Scratch::kPanel, band.positions * bands.taps());
      gemm(Gemm<T>{.m = band.positions,
            .n = bands.taps(),
            .k = filters,
            .a = args.grad_y + band.first_position * filters,
            .lda = filters,
            .b = args.weight,
            .ldb = bands.taps(),
            .c = grad_columns,
            .ldc = bands.taps()});
      scatter_columns(bands, band, grad_columns, padded, pitch);
    }
    for (std::int64_t h = 0; h < s.height; ++h) {
      const std::int64_t first = (n * s.height + h) * s.width * s.in_channels;
      mask_rows(as_float(args.prologue), {s.width, s.in_channels, s.in_channels}, args.prologue.relu ? args.x + first : nullptr,
                padded + (h + s.padding) * pitch + s.padding * s.in_channels, s.in_channels, args.grad_x + first, args.accumulate);
    }
  });
}

template <class T>
void conv2d_backward_weight_im2col(const Conv2dBackwardWeight<T>& args) {
  const Bands bands(args.shape);
  const std::int64_t filters = args.shape.out_channels, weights = filters * bands.taps(), biases = args.grad_bias ? filters : 0;
  const Chunks chunks = cut_chunks(bands.total(), 1, weights + biases);
  float* partials = scratch(Scratch::kPartials, chunks.count * (weights + biases));
  const InputRows<T> input(args);
  parallel_for(chunks.count, [&](std::int64_t chunk) {
    float* partial = partials + chunk * (weights + biases);
    std::fill_n(partial + weights, biases, 0.0F);
    for (std::int64_t index = chunks.begin(chunk); index < chunks.end(chunk); ++index) {
      const Band band(bands, index);
      const T* grad_y = args.grad_y + band.first_position * filters;
      gemm(Gemm<T>{.m = filters,
            .n = bands.taps(),
            .k = band.positions,
            .a = grad_y,
            .lda = filters,
            .transpose_a = true,
            .b = gather_columns(bands, band, input),
            .ldb = bands.taps(),
            .beta = index == chunks.begin(chunk) ? 0.0F : 1.0F,
            .c = partial,
            .ldc = bands.taps()});
      if (args.grad_bias) add_column_sums({band.positions, filters, filters}, grad_y, partial + weights);
    }
  });
  combine_partials(partials, chunks.count, weights, biases, args.grad_weight, args.grad_bias, args.accumulate);
}

template void conv2d_forward_im2col(const Conv2dForward<float>&, PieceStatistics*);
template void conv2d_forward_im2col(const Conv2dForward<bf16>&, PieceStatistics*);
template void conv2d_backward_input_im2col(const Conv2dBackwardInput<float>&);
template void conv2d_backward_input_im2col(const Conv2dBackwardInput<bf16>&);
template void conv2d_backward_weight_im2col(const Conv2dBackwardWeight<float>&);
template void conv2d_backward_weight_im2col(const Conv2dBackwardWeight<bf16>&);

}  // namespace sepia::kernels::cpu
