// Pictures in bytes in the place of numbers: the map that normalises them against its formula, and the CPU's convolutions of bytes against
// the same ones of what images_to_input makes of them, there and back: the same bits.
#include "kernels/cpu/pixels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "kernels/backend.h"
#include "tests/support/random_numbers.h"

namespace sepia::kernels {
namespace {

using test::random_numbers;
using cpu::PixelMap;
using Bytes = std::vector<std::uint8_t>;

struct Statistics {
  std::array<double, 3> mean, std;
};
constexpr Statistics kDocument{{0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}}, kHalf{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};

Bytes random_bytes(std::int64_t count) {
  RandomStream random(3, RandomPurpose::kTest, 1);
  Bytes bytes(static_cast<std::size_t>(count));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next_u32() >> 24);
  return bytes;
}

/// Pixels whose three bytes are equal, from black to white: what a map makes of every byte in every channel.
Bytes greys() {
  Bytes bytes;
  for (int value = 0; value < 256; ++value) bytes.insert(bytes.end(), 3, static_cast<std::uint8_t>(value));
  return bytes;
}

std::vector<float> mapped(const PixelMap& map, const Bytes& bytes) {
  std::vector<float> y(bytes.size());
  map(std::ssize(bytes), bytes.data(), y.data());
  return y;
}

TEST(PixelMap, IsWithinAUnitInTheLastPlaceOfTheFormula) {
  for (const Statistics& statistics : {kDocument, kHalf}) {
    const std::vector<float> y = mapped(PixelMap(statistics.mean, statistics.std), greys());
    for (std::size_t c = 0; c < 3; ++c) {
      SCOPED_TRACE(str("channel ", c, " std ", statistics.std[c]));
      const auto exact = [&](int value) { return (static_cast<long double>(value) / 255 - statistics.mean[c]) / statistics.std[c]; };
      const auto largest = static_cast<float>(std::max(std::abs(exact(0)), std::abs(exact(255))));
      const long double ulp = std::nextafter(largest, std::numeric_limits<float>::infinity()) - largest;
      for (int value = 0; value < 256; ++value) {
        EXPECT_LE(std::abs(y[static_cast<std::size_t>(value) * 3 + c] - exact(value)), ulp) << "byte " << value;
      }
    }
  }
}

// Rows of any number of pixels, so of vectors and a rest: each byte becomes what it becomes in the middle of a long row.
TEST(PixelMap, TheLengthOfARowDoesNotMatter) {
  const PixelMap map(kDocument.mean, kDocument.std);
  const std::vector<float> table = mapped(map, greys());
  for (std::int64_t pixels = 0; pixels <= 70; ++pixels) {
    const std::int64_t count = 3 * pixels;
    const Bytes bytes = random_bytes(count);
    std::vector<float> expected(bytes.size() + 1, 55.0F), y(expected);
    std::vector<bf16> rounded(expected.begin(), expected.end()), y_bf16(rounded);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      expected[i] = table[std::size_t{bytes[i]} * 3 + i % 3];
      rounded[i] = static_cast<bf16>(expected[i]);
    }
    map(count, bytes.data(), y.data());
    map(count, bytes.data(), y_bf16.data());
    EXPECT_EQ(y, expected) << pixels << " pixels, and nothing behind them";
    EXPECT_TRUE(std::ranges::equal(
        y_bf16, rounded, {}, [](bf16 v) { return static_cast<float>(v); }, [](bf16 v) { return static_cast<float>(v); }))
        << pixels << " pixels, rounded";
  }
}

TEST(Pixels, OnlyTheCpuReadsThemAndNotForEveryFilter) {
  EXPECT_TRUE(cpu_backend().conv2d_reads_pixels);
  EXPECT_FALSE(reference_backend().conv2d_reads_pixels);
  EXPECT_TRUE(conv2d_takes_pixels({1, 8, 8, 3, 6, 7, 7}));
  EXPECT_TRUE(conv2d_takes_pixels({1, 8, 8, 3, 6, 1, 2}));
  EXPECT_FALSE(conv2d_takes_pixels({1, 8, 8, 4, 6, 7, 7}));
  EXPECT_FALSE(conv2d_takes_pixels({1, 8, 8, 3, 6, 1, 1}));
  EXPECT_FALSE(conv2d_takes_pixels({1, 8, 8, 3, 6, 1, 1, 2}));
}

/// Pictures in bytes and as the numbers that they stand for.
template <class T>
struct Pictures {
  Pictures(const KernelTable<T>& table, const Conv2dShape& s) : bytes(random_bytes(s.batch * s.height * s.width * 3)), x(bytes.size()) {
    table.images_to_input({}, {.batch = s.batch,
                               .height = s.height,
                               .width = s.width,
                               .pixels = bytes.data(),
                               .mean = kDocument.mean,
                               .std = kDocument.std,
                               .y = x.data()});
  }
  Pixels pixels() const { return {bytes.data(), kDocument.mean, kDocument.std}; }

  Bytes bytes;
  std::vector<T> x;
};

std::string describe(const Conv2dShape& s) {
  return str(s.batch, "x", s.height, "x", s.width, " -> ", s.out_channels, " kernel ", s.kernel_h, "x", s.kernel_w, " stride ", s.stride,
             " padding ", s.padding);
}

/// Calls check(table) for both types of activations, where the processor has bf16.
template <class Check>
void for_types(const Check& check) {
  check(*cpu_backend().float32);
  if (cpu_backend().bfloat16) check(*cpu_backend().bfloat16);
}

/// Compares what `run` leaves of numbers with what it leaves of bytes, for some numbers of threads. Results: arrays of floats.
template <class Run>
void expect_the_same(const Run& run) {
  const auto expected = run(false);
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const auto actual = run(true);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_EQ(actual[i], expected[i]) << "result " << i << " with " << threads << " threads";
  }
  set_num_threads(0);
}

template <class T>
std::vector<float> as_floats(const std::vector<T>& numbers) {
  return {numbers.begin(), numbers.end()};
}

template <class T>
void check_conv2d(const KernelTable<T>& table, const Conv2dShape& s, bool bias, Accumulate accumulate) {
  const Pictures<T> pictures(table, s);
  const std::int64_t outputs = s.batch * s.out_height() * s.out_width() * s.out_channels,
                     weights = s.out_channels * s.kernel_h * s.kernel_w * 3;
  const auto weight = random_numbers<T>(weights, 2), grad_y = random_numbers<T>(outputs, 4);
  const auto b = random_numbers<float>(s.out_channels, 3);
  expect_the_same([&](bool bytes) {
    const T* x = bytes ? nullptr : pictures.x.data();
    const Pixels pixels = bytes ? pictures.pixels() : Pixels{};
    std::vector<T> y(static_cast<std::size_t>(outputs), T(55.0F));
    auto grad_weight = random_numbers<float>(weights, 5), grad_bias = random_numbers<float>(s.out_channels, 6);
    table.conv2d_forward(
        {},
        {.shape = s, .x = x, .prologue = {}, .weight = weight.data(), .bias = bias ? b.data() : nullptr, .y = y.data(), .pixels = pixels});
    table.conv2d_backward_weight({}, {.shape = s,
                                      .x = x,
                                      .prologue = {},
                                      .grad_y = grad_y.data(),
                                      .grad_weight = grad_weight.data(),
                                      .grad_bias = bias ? grad_bias.data() : nullptr,
                                      .accumulate = accumulate,
                                      .pixels = pixels});
    return std::vector{as_floats(y), grad_weight, grad_bias};
  });
}

TEST(Pixels, GiveTheBitsOfTheNumbersTheyStandFor) {
  const Conv2dShape shapes[] = {
      {2, 19, 23, 3, 32, 3, 3, 2, 1},   // few inputs, whole vectors of outputs: edgenet's stem
      {2, 19, 23, 3, 32, 3, 3, 2, 0},   // xception's
      {1, 96, 201, 3, 64, 3, 3, 1, 1},  // more than one band of rows
      {3, 5, 1, 3, 32, 3, 1, 1, 0},     // a picture of one column
      {2, 21, 37, 3, 6, 7, 7, 1, 0},    // few channels, plane by plane: simplenet's conv1
      {2, 21, 37, 3, 6, 7, 7, 2, 3},   {2, 22, 37, 3, 6, 7, 7, 3, 2},
      {1, 120, 250, 3, 6, 7, 7, 1, 3}, {1, 9, 5, 3, 7, 1, 5, 1, 2},  // filters of one row
      {2, 19, 22, 3, 48, 3, 3, 1, 1},                                // the others
      {2, 19, 22, 3, 48, 5, 5, 2, 2},  {1, 64, 131, 3, 40, 5, 5, 1, 0},
  };
  for_types([&]<class T>(const KernelTable<T>& table) {
    for (const Conv2dShape& s : shapes) {
      ASSERT_TRUE(conv2d_takes_pixels(s));
      for (const bool bias : {true, false}) {
        for (const Accumulate accumulate : {Accumulate::kWrite, Accumulate::kAdd}) {
          SCOPED_TRACE(describe(s) + (std::is_same_v<T, bf16> ? " bf16" : "") + (bias ? " bias" : "") +
                       (accumulate == Accumulate::kAdd ? " add" : ""));
          check_conv2d(table, s, bias, accumulate);
        }
      }
    }
  });
}

template <class T>
void check_pooled(const KernelTable<T>& table, const Conv2dShape& s, bool bias, bool relu, Accumulate accumulate) {
  const Pictures<T> pictures(table, s);
  const std::int64_t outputs = s.batch * (s.out_height() / 2) * (s.out_width() / 2) * s.out_channels,
                     weights = s.out_channels * s.kernel_h * s.kernel_w * 3;
  const auto weight = random_numbers<T>(weights, 2), grad_y = random_numbers<T>(outputs, 4);
  const auto b = random_numbers<float>(s.out_channels, 3);
  expect_the_same([&](bool bytes) {
    const T* x = bytes ? nullptr : pictures.x.data();
    const Pixels pixels = bytes ? pictures.pixels() : Pixels{};
    std::vector<T> y(static_cast<std::size_t>(outputs), T(55.0F));
    Bytes index(y.size(), 99);
    auto grad_weight = random_numbers<float>(weights, 5), grad_bias = random_numbers<float>(s.out_channels, 6);
    table.conv2d_pool_forward({}, {.shape = s,
                                   .x = x,
                                   .prologue = {},
                                   .weight = weight.data(),
                                   .bias = bias ? b.data() : nullptr,
                                   .relu = relu,
                                   .y = y.data(),
                                   .index = index.data(),
                                   .pixels = pixels});
    table.conv2d_pool_backward({}, {.shape = s,
                                    .grad_y = grad_y.data(),
                                    .index = index.data(),
                                    .y = relu ? y.data() : nullptr,
                                    .relu = relu,
                                    .x = x,
                                    .prologue = {},
                                    .weight = weight.data(),
                                    .grad_x = nullptr,
                                    .accumulate_x = {},
                                    .grad_weight = grad_weight.data(),
                                    .grad_bias = bias ? grad_bias.data() : nullptr,
                                    .accumulate_weight = accumulate,
                                    .pixels = pixels});
    return std::vector{as_floats(y), as_floats(index), grad_weight, grad_bias};
  });
}

TEST(Pixels, GiveTheBitsOfTheNumbersTheyStandForPooled) {
  const Conv2dShape shapes[] = {
      {2, 20, 41, 3, 6, 7, 7, 1, 0}, {2, 21, 40, 3, 6, 7, 7, 1, 3}, {1, 130, 256, 3, 6, 7, 7, 1, 0}, {3, 4, 3, 3, 8, 3, 2, 1, 1}};
  for_types([&]<class T>(const KernelTable<T>& table) {
    for (const Conv2dShape& s : shapes) {
      ASSERT_TRUE(conv2d_takes_pixels(s) && conv2d_pool_takes(s));
      for (const bool bias : {true, false}) {
        for (const bool relu : {true, false}) {
          SCOPED_TRACE(describe(s) + (std::is_same_v<T, bf16> ? " bf16" : "") + (bias ? " bias" : "") + (relu ? " relu" : ""));
          check_pooled(table, s, bias, relu, relu == bias ? Accumulate::kAdd : Accumulate::kWrite);
        }
      }
    }
  });
}

}  // namespace
}  // namespace sepia::kernels
