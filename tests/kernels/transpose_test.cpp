// Transposition is exact, for every size that takes another way through the registers, and writes nothing around its result.
#include "kernels/cpu/transpose.h"

#include <gtest/gtest.h>

#include <vector>

namespace sepia::kernels::cpu {
namespace {

TEST(CpuTranspose, EverySmallSizeAndPitch) {
  constexpr float kUntouched = -1;
  for (std::int64_t rows = 1; rows <= 37; ++rows) {
    for (const std::int64_t columns : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 24, 33}) {
      for (const std::int64_t extra : {0, 3}) {
        const std::int64_t in_pitch = columns + extra, out_pitch = rows + extra;
        std::vector<float> in(rows * in_pitch), out(columns * out_pitch, kUntouched);
        for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
        transpose(rows, columns, in.data(), in_pitch, out.data(), out_pitch);
        for (std::int64_t c = 0; c < columns; ++c) {
          for (std::int64_t r = 0; r < out_pitch; ++r) {
            const float expected = r < rows ? in[r * in_pitch + c] : kUntouched;
            ASSERT_EQ(out[c * out_pitch + r], expected) << rows << "x" << columns << " pitch +" << extra << " at (" << c << ", " << r << ")";
          }
        }
      }
    }
  }
}

TEST(CpuTranspose, ParallelEqualsSerial) {
  const std::int64_t rows = 700, columns = 133;
  std::vector<float> in(rows * columns), serial(rows * columns), parallel(rows * columns);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
  transpose(rows, columns, in.data(), columns, serial.data(), rows);
  transpose_parallel(rows, columns, in.data(), columns, parallel.data(), rows);
  EXPECT_EQ(serial, parallel);
}

}  // namespace
}  // namespace sepia::kernels::cpu
