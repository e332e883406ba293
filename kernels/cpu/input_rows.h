// Rows of a convolution's input as its kernels read them: numbers with their prologue carried out, or bytes of pictures normalised.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/conv2d.h"
#include "kernels/cpu/pixels.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"

namespace sepia::kernels::cpu {

/// Rows (width, channels), counted through all pictures.
template <class T>
class InputRows {
 public:
  InputRows(std::int64_t width, std::int64_t channels, const Prologue<T>& prologue, const T* x) : x_(x), prologue_(as_float(prologue)), width_(width), channels_(channels) {}
  /// Those that a forward or backward kernel's arguments name.
  template <class Args>
  explicit InputRows(const Args& args) : InputRows(args.shape.width, args.shape.in_channels, args.prologue, args.x) {
    pixels_ = args.pixels.data;
    if (pixels_) map_ = PixelMap(args.pixels.mean, args.pixels.std);
  }

  std::int64_t length() const { return width_ * channels_; }

  /// Row `index` where it lies, or null where something is to be done to it. The rows after it follow at once.
  const T* where_it_lies(std::int64_t index) const { return !pixels_ && prologue_.identity() ? x_ + index * length() : nullptr; }

  /// Row `index` to `out`, in float or in T.
  template <class Out>
  void load(std::int64_t index, Out* out) const {
    const std::int64_t at = index * length();
    if (!pixels_) return activate_rows(prologue_, {width_, channels_, channels_}, x_ + at, out);
    if constexpr (std::is_same_v<Out, float> && !std::is_same_v<T, float>) {
      // Rounded first: what a bf16 kernel sees of a picture does not depend on the type in which it sees it.
      bf16* const rounded = scratch_of<bf16>(Scratch::kSmall, length());
      map_(length(), pixels_ + at, rounded);
      return activate_rows({}, {width_, channels_, channels_}, rounded, out);
    } else {
      map_(length(), pixels_ + at, out);
    }
  }

 private:
  const T* x_;
  Prologue<float> prologue_;
  std::int64_t width_, channels_;
  const std::uint8_t* pixels_ = nullptr;
  PixelMap map_;
};

}  // namespace sepia::kernels::cpu
