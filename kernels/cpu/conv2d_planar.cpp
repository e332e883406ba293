// Dense convolution with few channels and any filter (kernels/conv2d.h) as a correlation along the width (correlate.h), forward and backward
// to the input. simplenet's 7x7 filters over 3, 6 and 16 channels are what it is for.
//
// Backward to the input is the same correlation, of grad_y padded by kernel - 1 - padding, with the filter turned by 180 degrees and
// input and output channels exchanged (stride 1 only).
// Work is cut into bands of output rows by shape alone; every output is one sum in the order of the taps: deterministic.
// Cost: 2 N P Q K R S C FLOP; bound by arithmetic.
#include "kernels/cpu/conv2d_planar.h"

#include <type_traits>
#include <utility>

#include "kernels/cpu/conv2d_paths.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"

namespace sepia::kernels::cpu {

PlanarConv forward_correlation(const Conv2dShape& s) {
  return {s.batch, s.height, s.width, s.in_channels, s.out_height(), s.out_width(), s.out_channels, s.kernel_h, s.kernel_w, s.stride, s.padding, s.padding};
}

PlanarConv backward_correlation(const Conv2dShape& s) {
  return {s.batch,    s.out_height(), s.out_width(), s.out_channels, s.height, s.width,
          s.in_channels, s.kernel_h,  s.kernel_w,    1,              s.kernel_h - 1 - s.padding, s.kernel_w - 1 - s.padding};
}

template <class T>
PlanarFilters<T> forward_filters(const Conv2dShape& s, const T* weight) {
  return {weight, s.kernel_h * s.kernel_w * s.in_channels, 1, s.kernel_w * s.in_channels, s.in_channels};
}

template <class T>
void conv2d_forward_planar(const Conv2dForward<T>& args) {
  const PlanarConv conv = forward_correlation(args.shape);
  const InputRows<T> input(args);
  correlate(Correlation<T>{
      .conv = conv,
      .filters = forward_filters(args.shape, args.weight),
      .bias = args.bias,
      .load = [&](const Band& band, const PlaneLayout& layout, float* planes) { load_pictures(conv, input, band, layout, planes); },
      .finish =
          [&](const Band& band, const PlaneLayout& layout, const float* planes) {
            store_output_planes(conv, layout, planes, band.rows,
                                args.y + (band.picture * conv.out_height + band.first) * conv.out_width * conv.out_channels);
          }});
}

template <class T>
void planar_backward_input(const Conv2dBackwardInput<T>& args, std::function<void(const Band&, const PlaneLayout&, float* planes)> load) {
  const Conv2dShape& s = args.shape;
  const PlanarConv conv = backward_correlation(s);
  // Turned by 180 degrees: from the last tap backwards.
  const std::int64_t row = s.kernel_w * s.in_channels, filter = s.kernel_h * row;
  const PlanarFilters<T> filters{args.weight + filter - s.in_channels, 1, filter, -row, -s.in_channels};
  correlate(Correlation<T>{
      .conv = conv, .filters = filters, .load = std::move(load), .finish = [&](const Band& band, const PlaneLayout& layout, const float* planes) {
        const std::int64_t at = (band.picture * s.height + band.first) * s.width * s.in_channels;
        const Rows all{band.rows * s.width, s.in_channels, s.in_channels};
        // The band's input planes are no longer needed: their scratch takes a result that is yet to be added or rounded.
        float* result = nullptr;
        if constexpr (std::is_same_v<T, float>) {
          if (args.accumulate == Accumulate::kWrite) result = args.grad_x + at;
        }
        if (!result) result = scratch(Scratch::kPanel, all.count * all.channels);
        store_output_planes(conv, layout, planes, band.rows, result);
        mask_rows(as_float(args.prologue), all, args.prologue.relu ? args.x + at : nullptr, result, all.channels, args.grad_x + at, args.accumulate);
      }});
}

template <class T>
void conv2d_backward_input_planar(const Conv2dBackwardInput<T>& args) {
  const PlanarConv conv = backward_correlation(args.shape);
  const InputRows<T> gradient(conv.in_width, conv.in_channels, {}, args.grad_y);
  planar_backward_input<T>(args, [&](const Band& band, const PlaneLayout& layout, float* planes) { load_pictures(conv, gradient, band, layout, planes); });
}

template PlanarFilters<float> forward_filters(const Conv2dShape&, const float*);
template PlanarFilters<bf16> forward_filters(const Conv2dShape&, const bf16*);
template void conv2d_forward_planar(const Conv2dForward<float>&);
template void conv2d_forward_planar(const Conv2dForward<bf16>&);
template void planar_backward_input(const Conv2dBackwardInput<float>&, std::function<void(const Band&, const PlaneLayout&, float*)>);
template void planar_backward_input(const Conv2dBackwardInput<bf16>&, std::function<void(const Band&, const PlaneLayout&, float*)>);
template void conv2d_backward_input_planar(const Conv2dBackwardInput<float>&);
template void conv2d_backward_input_planar(const Conv2dBackwardInput<bf16>&);

}  // namespace sepia::kernels::cpu
