// Element-wise kernels, by their definition. Formulas and shapes: kernels/elementwise.h.
#pragma once

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

/// y[n,h,w,c] = (pixel[n,h,w,c] / 255 - mean[c]) / std[c].
template <class T>
void images_to_input(const LaunchContext&, const ImagesToInput<T>& a) {
  constexpr std::int64_t kChannels = 3;
  const std::int64_t pixels = a.batch * a.height * a.width;
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < kChannels; ++c) {
      a.y[i * kChannels + c] = static_cast<T>((a.pixels[i * kChannels + c] / 255.0 - a.mean[c]) / a.std[c]);
    }
  }
}

}  // namespace sepia::kernels::reference
