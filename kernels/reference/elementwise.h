// Element-wise kernels, by their definition. Formulas and shapes: kernels/elementwise.h.
#pragma once

#include <algorithm>

#include "kernels/elementwise.h"
#include "kernels/reference/indexing.h"

namespace sepia::kernels::reference {

/// y[m,c] = relu(scale[c] * x[m,c] + shift[c]), each part where the prologue has it.
template <class T>
void affine_relu_forward(const LaunchContext&, const AffineReluForward<T>& a) {
  for (std::int64_t m = 0; m < a.rows; ++m) {
    for (std::int64_t c = 0; c < a.channels; ++c) a.y[m * a.channels + c] = prologue_value(a.prologue, a.x[m * a.channels + c], c);
  }
}

/// grad_x[m,c] = grad_y[m,c] where the ReLU was open, else 0: the gradient at the affine part's output.
template <class T>
void affine_relu_backward(const LaunchContext&, const AffineReluBackward<T>& a) {
  for (std::int64_t m = 0; m < a.rows; ++m) {
    for (std::int64_t c = 0; c < a.channels; ++c) {
      const std::int64_t i = m * a.channels + c;
      store(a.grad_x[i], mask_open(a.prologue, a.x, i, c) ? a.grad_y[i] : 0, a.accumulate);
    }
  }
}

/// y[m,c] = act_a(a)[m,c] + act_b(b)[m,c].
template <class T>
void add_forward(const LaunchContext&, const AddForward<T>& a) {
  for (std::int64_t m = 0; m < a.rows; ++m) {
    for (std::int64_t c = 0; c < a.channels; ++c) {
      const std::int64_t i = m * a.channels + c;
      a.y[i] = prologue_value(a.prologue_a, a.a[i], c) + prologue_value(a.prologue_b, a.b[i], c);
    }
  }
}

/// destination[i] = source[i], or += source[i].
template <class T>
void accumulate_into(const LaunchContext&, const AccumulateInto<T>& a) {
  for (std::int64_t i = 0; i < a.count; ++i) store(a.destination[i], a.source[i], a.accumulate);
}

/// y[n,h,w,c] = (v / 255 - mean[c]) / std[c], v the byte of the cut and mirrored picture, 0 outside the source.
template <class T>
void images_to_input(const LaunchContext&, const ImagesToInput<T>& a) {
  const std::int64_t rows = a.source_rows(), columns = a.source_columns();
  const Nhwc source_at{rows, columns, 3}, y_at{a.height, a.width, 3};
  for (std::int64_t n = 0; n < a.batch; ++n) {
    for (std::int64_t h = 0; h < a.height; ++h) {
      for (std::int64_t w = 0; w < a.width; ++w) {
        const std::int64_t row = (a.crop_y ? a.crop_y[n] : 0) + h;
        const std::int64_t column = (a.crop_x ? a.crop_x[n] : 0) + (a.flip && a.flip[n] ? a.width - 1 - w : w);
        for (std::int64_t c = 0; c < 3; ++c) {
          const double v = inside(row, rows) && inside(column, columns) ? a.pixels[source_at(n, row, column, c)] : 0;
          a.y[y_at(n, h, w, c)] = static_cast<T>((v / 255.0 - a.mean[c]) / a.std[c]);
        }
      }
    }
  }
}

/// y[n,h,w,c] = clamp(20 (v - blur(v)), -3, 3), v = pixels / 255, blur the 3x3 binomial filter with reflected borders.
template <class T>
void images_to_residual(const LaunchContext&, const ImagesToResidual<T>& a) {
  constexpr int kWeights[3] = {1, 2, 1};
  const Nhwc at{a.height, a.width, 3};
  for (std::int64_t n = 0; n < a.batch; ++n) {
    for (std::int64_t h = 0; h < a.height; ++h) {
      for (std::int64_t w = 0; w < a.width; ++w) {
        for (std::int64_t c = 0; c < 3; ++c) {
          double blurred = 0;
          for (int dy = -1; dy <= 1; ++dy) {
            for (int dx = -1; dx <= 1; ++dx) {
              blurred += kWeights[dy + 1] * kWeights[dx + 1] * a.pixels[at(n, reflected(h + dy, a.height), reflected(w + dx, a.width), c)] / 16.0;
            }
          }
          const double residual = 20 * (a.pixels[at(n, h, w, c)] - blurred) / 255;
          a.y[at(n, h, w, c)] = static_cast<T>(std::clamp(residual, -3.0, 3.0));
        }
      }
    }
  }
}

}  // namespace sepia::kernels::reference
