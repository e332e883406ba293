#include "engine/base/shape.h"

#include <algorithm>
#include <ostream>
#include <sstream>

#include "engine/base/error.h"

namespace sepia {

Shape::Shape(std::initializer_list<std::int64_t> extents) : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
  SEPIA_CHECK(extents.size() <= kMaxDims, "[shape] at most ", kMaxDims, " dimensions, got ", extents.size());
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) {
    SEPIA_CHECK(extent >= 0, "[shape] extents must not be negative, got ", extent);
    SEPIA_CHECK(!__builtin_mul_overflow(count, extent, &count), "[shape] number of elements overflows 64 bits");
    extents_[static_cast<std::size_t>(ndim_++)] = extent;
  }
}

std::int64_t Shape::numel() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : extents()) count *= extent;
  return count;
}

std::string Shape::str() const {
  std::ostringstream out;
  out << '(';
  for (int i = 0; i < ndim_; ++i) out << (i ? ", " : "") << extents_[static_cast<std::size_t>(i)];
  out << ')';
  return out.str();
}

bool Shape::operator==(const Shape& other) const { return std::ranges::equal(extents(), other.extents()); }

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

}  // namespace sepia
