#include "engine/io/file_layout.h"

#include <algorithm>
#include <cstring>

#include "engine/base/error.h"

namespace sepia {
namespace {

using nn::FileLayout;

/// Every layout is the order of memory or one transposition of it: positions before channels in memory, after them in files.
struct Transposition {
  bool identity = true;
  std::int64_t outer = 1, inner = 1, channels = 1;  ///< memory (outer, inner, channels) <-> file (outer, channels, inner)
};

Transposition transposition_of(const nn::Parameter& parameter) {
  const Shape& shape = parameter.shape;
  switch (parameter.layout) {
    case FileLayout::kPlain:
    case FileLayout::kPointwise:
      return {};
    case FileLayout::kOihw:
      return {false, shape[0], shape[1] * shape[2], shape[3]};
    case FileLayout::kDepthwise:
      return {false, 1, shape[0] * shape[1], shape[2]};
    case FileLayout::kLinearAfterFlatten: {
      const auto [channels, height, width] = parameter.flattened;
      SEPIA_CHECK_KIND(channels * height * width == shape[1], ErrorKind::kInternal, "[file layout] ", channels, "x", height, "x", width,
                       " pictures are flattened into ", shape[1], " columns");
      return {false, shape[0], height * width, channels};
    }
  }
  return {};
}

/// (outer, rows, columns) -> (outer, columns, rows), elements of B bytes.
template <std::size_t B>
void transpose(std::int64_t outer, std::int64_t rows, std::int64_t columns, const std::byte* from, std::byte* to) {
  const std::int64_t block = rows * columns;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t c = 0; c < columns; ++c) {
      std::byte* out = to + static_cast<std::size_t>(o * block + c * rows) * B;
      const std::byte* in = from + static_cast<std::size_t>(o * block + c) * B;
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(out + static_cast<std::size_t>(r) * B, in + static_cast<std::size_t>(r * columns) * B, B);
    }
  }
}

void transpose(std::size_t element_bytes, std::int64_t outer, std::int64_t rows, std::int64_t columns, const std::byte* from,
               std::byte* to) {
  switch (element_bytes) {
    case 2:
      return transpose<2>(outer, rows, columns, from, to);
    case 4:
      return transpose<4>(outer, rows, columns, from, to);
    case 8:
      return transpose<8>(outer, rows, columns, from, to);
    default:
      fail(ErrorKind::kInternal, "[file layout] elements of ", element_bytes, " bytes");
  }
}

void check_sizes(const nn::Parameter& parameter, std::size_t element_bytes, std::size_t from, std::size_t to) {
  const std::size_t bytes = static_cast<std::size_t>(parameter.shape.numel()) * element_bytes;
  SEPIA_CHECK_KIND(from == bytes && to == bytes, ErrorKind::kInternal, "[file layout] ", parameter.shape, " needs ", bytes, " bytes, got ",
                   from, " and ", to);
}

}  // namespace

std::vector<std::int64_t> file_shape(const nn::Parameter& parameter) {
  const Shape& shape = parameter.shape;
  switch (parameter.layout) {
    case FileLayout::kOihw:
      return {shape[0], shape[3], shape[1], shape[2]};
    case FileLayout::kDepthwise:
      return {shape[2], 1, shape[0], shape[1]};
    case FileLayout::kPointwise:
      return {shape[0], shape[1], 1, 1};
    case FileLayout::kPlain:
    case FileLayout::kLinearAfterFlatten:
      break;
  }
  return {shape.extents().begin(), shape.extents().end()};
}

void to_file_layout(const nn::Parameter& parameter, std::size_t element_bytes, std::span<const std::byte> memory,
                    std::span<std::byte> file) {
  check_sizes(parameter, element_bytes, memory.size(), file.size());
  const Transposition t = transposition_of(parameter);
  if (t.identity) {
    std::copy(memory.begin(), memory.end(), file.begin());
  } else {
    transpose(element_bytes, t.outer, t.inner, t.channels, memory.data(), file.data());
  }
}

void from_file_layout(const nn::Parameter& parameter, std::size_t element_bytes, std::span<const std::byte> file,
                      std::span<std::byte> memory) {
  check_sizes(parameter, element_bytes, file.size(), memory.size());
  const Transposition t = transposition_of(parameter);
  if (t.identity) {
    std::copy(file.begin(), file.end(), memory.begin());
  } else {
    transpose(element_bytes, t.outer, t.channels, t.inner, file.data(), memory.data());
  }
}

}  // namespace sepia
