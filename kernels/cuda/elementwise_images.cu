// Pictures to network input: bytes, cut and mirrored where asked for, to normalised elements (formula: kernels/elementwise.h).
//
// Cost: 1 byte read and s written per element; bound by memory. Deterministic: no element has two writers.
//
// Mapping: as the bytes lie, a thread takes kImageGroups groups of as many elements as one 16-byte store holds. To cut and mirror, a block
// takes some neighbouring rows of y, which are neighbours in memory too; the stretches of the source that they need begin at any byte, so
// the block brings them to shared memory by aligned 16-byte loads and its threads pick their bytes there.
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/shared.cuh"
#include "kernels/cuda/detail/vector.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;

/// One channel: y = scale * byte + shift, computed on the host in double.
struct PixelMap {
  float scale[3], shift[3];

  /// The map for neighbouring elements of which the first has channel c: [k] then is that of the k-th, modulo 3.
  __device__ __forceinline__ PixelMap rotated(int c) const {
    PixelMap map;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      map.scale[k] = c == 0 ? scale[k] : c == 1 ? scale[(k + 1) % 3] : scale[(k + 2) % 3];
      map.shift[k] = c == 0 ? shift[k] : c == 1 ? shift[(k + 1) % 3] : shift[(k + 2) % 3];
    }
    return map;
  }
};

/// N bytes in one load.
template <int N>
struct alignas(N) Bytes {
  std::uint8_t v[N];

  __device__ __forceinline__ static Bytes load(const std::uint8_t* source) {
    if constexpr (N == 1) return {*source};
    const Word<N> word = *reinterpret_cast<const Word<N>*>(source);
    Bytes bytes;
    __builtin_memcpy(&bytes, &word, N);
    return bytes;
  }
};

constexpr int kImageGroups = 4;  // groups per thread, all in flight at once

template <int N, class T>
__global__ void __launch_bounds__(kThreads)
    images_to_input_kernel(const std::uint8_t* __restrict__ pixels, PixelMap map, T* __restrict__ y, std::int64_t count) {
  constexpr int kStep = kThreads * N;  // N: as many bytes as one 16-byte store has elements, or 1
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kStep * kImageGroups + threadIdx.x * N;
  Bytes<N> bytes[kImageGroups];
#pragma unroll
  for (int k = 0; k < kImageGroups; ++k) {
    if (first + k * kStep + N <= count) bytes[k] = Bytes<N>::load(pixels + first + k * kStep);
  }
  int c = static_cast<int>(first % 3);
#pragma unroll
  for (int k = 0; k < kImageGroups; ++k, c = (c + kStep) % 3) {
    const std::int64_t i = first + k * kStep;
    const PixelMap own = map.rotated(c);
    if (i + N <= count) {
      Floats<N> values;
#pragma unroll
      for (int j = 0; j < N; ++j) values[j] = apply_affine(own.scale[j % 3], static_cast<float>(bytes[k].v[j]), own.shift[j % 3]);
      store_global<N>(y + i, values);
    } else {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        if (i + j < count) y[i + j] = from_float<T>(apply_affine(own.scale[j % 3], static_cast<float>(pixels[i + j]), own.shift[j % 3]));
      }
    }
  }
}

constexpr int kMostRows = 32;         // of y in a block
constexpr int kBlockElements = 8192;  // that a block writes, roughly
constexpr int kGroup = 4;             // elements that a thread writes at a time
constexpr int kSector = 32;           // bytes

/// How the rows of y are cut into blocks, and where a staged row lies in shared memory.
struct RowsOfBlock {
  int rows, pitch;

  template <class T>
  static RowsOfBlock of(const ImagesToInput<T>& a) {
    const std::int64_t row = 3 * a.width, fit = kBlockElements / row;
    const std::int64_t needed = 3 * (a.width < a.source_columns() ? a.width : a.source_columns());
    return {static_cast<int>(fit < 1 ? 1 : fit > kMostRows ? kMostRows : fit), static_cast<int>(ceil_div(needed + kSector, 16) * 16 + 16)};
  }
};

/// A row of y as its block sees it: which bytes of the source it needs, and where they are staged.
struct SourceRow {
  std::int64_t first_byte;  // in `pixels`, of the first staged byte: the beginning of a sector
  int bytes;                // staged; 0 where the whole row lies outside
  int column;               // of the source, of the first pixel that is needed
  int lead;                 // staged bytes before that pixel
  int left, mirrored;       // the window's corner; whether it is mirrored
};

template <class T>
__device__ __forceinline__ SourceRow source_row(const ImagesToInput<T>& a, std::int64_t row_of_y) {
  const std::int64_t n = row_of_y / a.height, rows = a.source_rows(), columns = a.source_columns();
  const std::int64_t row = (a.crop_y ? a.crop_y[n] : 0) + (row_of_y - n * a.height), left = a.crop_x ? a.crop_x[n] : 0;
  SourceRow source{0, 0, 0, 0, static_cast<int>(left), a.flip && a.flip[n] ? 1 : 0};
  const std::int64_t begin = left > 0 ? left : 0, end = left + a.width < columns ? left + a.width : columns;
  if (row < 0 || row >= rows || begin >= end) return source;
  const std::int64_t first = ((n * rows + row) * columns + begin) * 3;
  source.lead = static_cast<int>(first % kSector);
  source.first_byte = first - source.lead;
  source.bytes = source.lead + static_cast<int>(end - begin) * 3;
  source.column = static_cast<int>(begin);
  return source;
}

template <class T>
__global__ void __launch_bounds__(kThreads) images_to_input_cut_kernel(ImagesToInput<T> a, PixelMap map, RowsOfBlock block) {
  __shared__ SourceRow sources[kMostRows];
  auto* staged = dynamic_shared<std::uint8_t>();
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * block.rows, all_rows = a.batch * a.height;
  const int rows = static_cast<int>(all_rows - first_row < block.rows ? all_rows - first_row : block.rows);
  if (static_cast<int>(threadIdx.x) < rows) sources[threadIdx.x] = source_row(a, first_row + threadIdx.x);
  __syncthreads();

  const bool aligned = reinterpret_cast<std::uintptr_t>(a.pixels) % 16 == 0;
  const std::int64_t source_bytes = a.batch * a.source_rows() * a.source_columns() * 3;
  const int loads = block.pitch / 16;  // per row
  for (int i = static_cast<int>(threadIdx.x); i < rows * loads; i += kThreads) {
    const int r = i / loads, offset = (i - r * loads) * 16;
    if (offset >= sources[r].bytes) continue;
    const std::int64_t from = sources[r].first_byte + offset;
    if (aligned && from + 16 <= source_bytes) {
      *reinterpret_cast<uint4*>(staged + r * block.pitch + offset) = *reinterpret_cast<const uint4*>(a.pixels + from);
    } else {
      for (int k = 0; k < 16 && from + k < source_bytes; ++k) staged[r * block.pitch + offset + k] = a.pixels[from + k];
    }
  }
  __syncthreads();

  const int width = static_cast<int>(a.width), columns = static_cast<int>(a.source_columns()), count = rows * width * 3;
  T* y = a.y + first_row * width * 3;
  for (int e = static_cast<int>(threadIdx.x) * kGroup; e < count; e += kThreads * kGroup) {
    int r = e / (width * 3), c = e % 3, w = (e - r * width * 3) / 3;
    const PixelMap own = map.rotated(c);
    Floats<kGroup> values{};
#pragma unroll
    for (int k = 0; k < kGroup; ++k) {
      if (e + k < count) {
        const SourceRow& source = sources[r];
        const int column = source.left + (source.mirrored ? width - 1 - w : w);
        float byte = 0;
        if (source.bytes > 0 && column >= 0 && column < columns) {
          byte = static_cast<float>(staged[r * block.pitch + source.lead + (column - source.column) * 3 + c]);
        }
        values[k] = apply_affine(own.scale[k % 3], byte, own.shift[k % 3]);
      }
      if (++c == 3) {
        c = 0;
        if (++w == width) w = 0, ++r;
      }
    }
    if (e + kGroup <= count && reinterpret_cast<std::uintptr_t>(y + e) % (kGroup * sizeof(T)) == 0) {
      store_global<kGroup>(y + e, values);
    } else {
      for (int k = 0; k < kGroup; ++k) {
        if (e + k < count) y[e + k] = from_float<T>(values[k]);
      }
    }
  }
}

/// A block takes rows of y, a thread every kThreads-th element of a row: neighbours read neighbouring bytes of three rows, which the
/// block's cache holds, so that memory is read about once. A step does this once, on one byte per element.
template <class T>
__global__ void __launch_bounds__(kThreads) images_to_residual_kernel(ImagesToResidual<T> a) {
  const std::int64_t row = blockIdx.x, n = row / a.height, h = row - n * a.height;
  const int length = static_cast<int>(a.width) * 3, width = static_cast<int>(a.width);
  const std::uint8_t* picture = a.pixels + n * a.height * length;
  const std::uint8_t* up = picture + reflected(h - 1, a.height) * length;
  const std::uint8_t* here = picture + h * length;
  const std::uint8_t* down = picture + reflected(h + 1, a.height) * length;
  for (int e = static_cast<int>(threadIdx.x); e < length; e += kThreads) {
    const int w = e / 3, c = e - w * 3;
    const int left = static_cast<int>(reflected(w - 1, width)) * 3 + c, right = static_cast<int>(reflected(w + 1, width)) * 3 + c;
    const int sum = up[left] + up[right] + down[left] + down[right] + 2 * (up[e] + down[e] + here[left] + here[right]) + 4 * here[e];
    int r = 16 * here[e] - sum;
    r = r < -a.kBound ? -a.kBound : r > a.kBound ? a.kBound : r;
    a.y[row * length + e] = from_float<T>(static_cast<float>(r) / static_cast<float>(a.kDivisor));
  }
}

}  // namespace

template <class T>
void images_to_residual(const LaunchContext& context, const ImagesToResidual<T>& a) {
  const std::int64_t rows = a.batch * a.height;
  if (rows == 0 || a.width == 0) return;
  launch(images_to_residual_kernel<T>, dim3(grid_extent(rows)), kThreads, 0, stream_of(context), a);
}

template <class T>
void images_to_input(const LaunchContext& context, const ImagesToInput<T>& a) {
  const std::int64_t count = a.batch * a.height * a.width * 3;
  if (count == 0) return;
  PixelMap map;
  for (int c = 0; c < 3; ++c) {
    map.scale[c] = static_cast<float>(1 / (255 * a.std[c]));
    map.shift[c] = static_cast<float>(-a.mean[c] / a.std[c]);
  }
  if (!a.as_they_lie()) {
    const RowsOfBlock block = RowsOfBlock::of(a);
    launch(images_to_input_cut_kernel<T>, dim3(grid_extent(ceil_div(a.batch * a.height, block.rows))), kThreads,
           static_cast<std::size_t>(block.rows) * block.pitch, stream_of(context), a, map, block);
    return;
  }
  const auto start = [&](auto n) {
    const dim3 grid(grid_extent(ceil_div(count, kThreads * n() * kImageGroups)));
    launch(images_to_input_kernel<n(), T>, grid, kThreads, 0, stream_of(context), a.pixels, map, a.y, count);
  };
  constexpr int kWide = kPerLoad<T>;
  const bool aligned = reinterpret_cast<std::uintptr_t>(a.pixels) % kWide == 0 && reinterpret_cast<std::uintptr_t>(a.y) % 16 == 0;
  aligned ? start(std::integral_constant<int, kWide>{}) : start(std::integral_constant<int, 1>{});
}

SEPIA_INSTANTIATE(images_to_input, ImagesToInput)
SEPIA_INSTANTIATE(images_to_residual, ImagesToResidual)

}  // namespace sepia::kernels::cuda
