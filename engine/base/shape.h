// The shape of a dense tensor.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

namespace sepia {

/// Up to four extents, outermost first; activations are (N, H, W, C). A scalar has no extents and one element.
class Shape {
 public:
  static constexpr int kMaxDims = 4;

  Shape() = default;
  /// Throws kUsage when there are more than kMaxDims extents, one is negative, or the element count overflows int64.
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  int ndim() const { return ndim_; }
  /// Extent i; negative i counts from the back, as in Python.
  std::int64_t operator[](int i) const { return extents_[static_cast<std::size_t>(i < 0 ? i + ndim_ : i)]; }
  /// Number of elements (1 for a scalar).
  std::int64_t numel() const;
  std::span<const std::int64_t> extents() const { return {extents_.data(), static_cast<std::size_t>(ndim_)}; }
  /// "(32, 64, 64, 128)".
  std::string str() const;
  bool operator==(const Shape& other) const;

 private:
  std::array<std::int64_t, kMaxDims> extents_{};
  int ndim_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace sepia
