// Dense convolution and linear map on the CPU against the reference kernels in double, over shapes that reach every path and
// every tail, and the same bits for any number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "kernels/cpu/kernels.h"
#include "kernels/reference/conv2d.h"
#include "kernels/reference/linear.h"

namespace sepia::kernels {
namespace {

// Random numbers of one array, as float and (the same values) as double.
struct Numbers {
  std::vector<float> f;
  std::vector<double> d;

  Numbers() = default;
  Numbers(std::int64_t count, std::uint32_t array, double low = -1, double high = 1) {
    RandomStream random(7, RandomPurpose::kTest, array);
    for (std::int64_t i = 0; i < count; ++i) f.push_back(static_cast<float>(random.uniform(low, high)));
    d.assign(f.begin(), f.end());
  }
};

enum class Kind { kPlain, kRelu, kAffine, kAffineRelu };

struct PrologueNumbers {
  Numbers scale, shift;
  Kind kind;

  PrologueNumbers(Kind which, std::int64_t channels) : scale(channels, 1, 0.5, 1.5), shift(channels, 2, -0.5, 0.5), kind(which) {}
  bool affine() const { return kind == Kind::kAffine || kind == Kind::kAffineRelu; }
  bool relu() const { return kind == Kind::kRelu || kind == Kind::kAffineRelu; }
  Prologue<float> f() const { return {affine() ? scale.f.data() : nullptr, affine() ? shift.f.data() : nullptr, relu()}; }
  Prologue<double> d() const { return {affine() ? scale.d.data() : nullptr, affine() ? shift.d.data() : nullptr, relu()}; }
};

// Rounding grows with the number of terms: about its square root times the size of the partial sums, itself about that square root.
void expect_close(const std::vector<float>& actual, const std::vector<double>& expected, std::int64_t terms, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  const double absolute = 1e-6 * std::sqrt(static_cast<double>(terms) + 16) + 2e-8 * static_cast<double>(terms);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], absolute + 2e-6 * std::abs(expected[i])) << what << " at element " << i;
  }
}

struct Results {
  std::vector<float> y, grad_x, grad_weight, grad_bias;
  bool operator==(const Results&) const = default;
};

std::string name(Kind kind, Accumulate accumulate) {
  return str("prologue ", static_cast<int>(kind), accumulate == Accumulate::kAdd ? " add" : " write");
}

template <class Run>
void expect_same_bits_for_any_threads(const Results& expected, Run&& run, const std::string& what) {
  for (const int threads : {1, 2, 3, 4}) {
    set_num_threads(threads);
    EXPECT_TRUE(run() == expected) << what << " differs with " << threads << " threads";
  }
  set_num_threads(0);
}

void check_conv2d(const Conv2dShape& s, Kind kind, Accumulate accumulate, bool bias) {
  const std::string what = str("conv ", s.batch, "x", s.height, "x", s.width, "x", s.in_channels, " -> ", s.out_channels, " kernel ",
                               s.kernel_h, "x", s.kernel_w, " stride ", s.stride, " padding ", s.padding, " ", name(kind, accumulate));
  const std::int64_t outputs = s.batch * s.out_height() * s.out_width() * s.out_channels, taps = s.kernel_h * s.kernel_w * s.in_channels;
  const Numbers x(s.batch * s.height * s.width * s.in_channels, 3), weight(s.out_channels * taps, 4), b(s.out_channels, 5),
      grad_y(outputs, 6);
  const Numbers before_x(std::ssize(x.f), 7), before_weight(std::ssize(weight.f), 8);
  const PrologueNumbers prologue(kind, s.in_channels);
  const auto run = [&] {
    Results r{std::vector<float>(outputs, NAN), before_x.f, before_weight.f, b.f};
    cpu::conv2d_forward({}, {s, x.f.data(), prologue.f(), weight.f.data(), bias ? b.f.data() : nullptr, r.y.data()});
    cpu::conv2d_backward_input({}, {s, grad_y.f.data(), weight.f.data(), x.f.data(), prologue.f(), r.grad_x.data(), accumulate});
    cpu::conv2d_backward_weight(
        {}, {s, x.f.data(), prologue.f(), grad_y.f.data(), r.grad_weight.data(), bias ? r.grad_bias.data() : nullptr, accumulate});
    return r;
  };
  std::vector<double> y(outputs), grad_x = before_x.d, grad_weight = before_weight.d, grad_bias = b.d;
  reference::conv2d_forward<double>({}, {s, x.d.data(), prologue.d(), weight.d.data(), bias ? b.d.data() : nullptr, y.data()});
  reference::conv2d_backward_input<double>({}, {s, grad_y.d.data(), weight.d.data(), x.d.data(), prologue.d(), grad_x.data(), accumulate});
  reference::conv2d_backward_weight<double>(
      {}, {s, x.d.data(), prologue.d(), grad_y.d.data(), grad_weight.data(), bias ? grad_bias.data() : nullptr, accumulate});
  const Results r = run();
  expect_close(r.y, y, taps, what + " y");
  expect_close(r.grad_x, grad_x, s.kernel_h * s.kernel_w * s.out_channels, what + " grad_x");
  expect_close(r.grad_weight, grad_weight, outputs / s.out_channels, what + " grad_weight");
  expect_close(r.grad_bias, grad_bias, outputs / s.out_channels, what + " grad_bias");
  expect_same_bits_for_any_threads(r, run, what);
}

void check_linear(const LinearShape& s, Kind kind, Accumulate accumulate, bool bias) {
  const std::string what = str("linear ", s.rows, " rows ", s.in_features, " -> ", s.out_features, " ", name(kind, accumulate));
  const Numbers x(s.rows * s.in_features, 3), weight(s.out_features * s.in_features, 4), b(s.out_features, 5),
      grad_y(s.rows * s.out_features, 6);
  const Numbers before_x(std::ssize(x.f), 7), before_weight(std::ssize(weight.f), 8);
  const PrologueNumbers prologue(kind, s.in_features);
  const auto run = [&] {
    Results r{std::vector<float>(s.rows * s.out_features, NAN), before_x.f, before_weight.f, b.f};
    cpu::linear_forward({}, {s, x.f.data(), prologue.f(), weight.f.data(), bias ? b.f.data() : nullptr, r.y.data()});
    cpu::linear_backward_input({}, {s, grad_y.f.data(), weight.f.data(), x.f.data(), prologue.f(), r.grad_x.data(), accumulate});
    cpu::linear_backward_weight(
        {}, {s, x.f.data(), prologue.f(), grad_y.f.data(), r.grad_weight.data(), bias ? r.grad_bias.data() : nullptr, accumulate});
    return r;
  };
  std::vector<double> y(s.rows * s.out_features), grad_x = before_x.d, grad_weight = before_weight.d, grad_bias = b.d;
  reference::linear_forward<double>({}, {s, x.d.data(), prologue.d(), weight.d.data(), bias ? b.d.data() : nullptr, y.data()});
  reference::linear_backward_input<double>({}, {s, grad_y.d.data(), weight.d.data(), x.d.data(), prologue.d(), grad_x.data(), accumulate});
  reference::linear_backward_weight<double>(
      {}, {s, x.d.data(), prologue.d(), grad_y.d.data(), grad_weight.data(), bias ? grad_bias.data() : nullptr, accumulate});
  const Results r = run();
  expect_close(r.y, y, s.in_features, what + " y");
  expect_close(r.grad_x, grad_x, s.out_features, what + " grad_x");
  expect_close(r.grad_weight, grad_weight, s.rows, what + " grad_weight");
  expect_close(r.grad_bias, grad_bias, s.rows, what + " grad_bias");
  expect_same_bits_for_any_threads(r, run, what);
}

template <class Check, class Shape>
void check_all_variants(Check&& check, const Shape& shape) {
  for (const Kind kind : {Kind::kPlain, Kind::kRelu, Kind::kAffine, Kind::kAffineRelu}) {
    check(shape, kind, Accumulate::kWrite, true);
    check(shape, kind, Accumulate::kAdd, kind != Kind::kPlain);
  }
}

TEST(CpuConv2d, HandComputed) {
  // 3x3 picture 1..9, filter {1, 2; 3, 4}, bias 0.5: the top left output is 1 + 2*2 + 3*4 + 4*5 + 0.5.
  const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9}, weight{1, 2, 3, 4}, bias{0.5F};
  std::vector<float> y(4);
  const Conv2dShape shape{.batch = 1, .height = 3, .width = 3, .in_channels = 1, .out_channels = 1, .kernel_h = 2, .kernel_w = 2};
  cpu::conv2d_forward({}, {shape, x.data(), {}, weight.data(), bias.data(), y.data()});
  EXPECT_EQ(y, (std::vector<float>{37.5F, 47.5F, 67.5F, 77.5F}));
}

TEST(CpuConv2d, OddShapesEveryPrologue) {
  for (const Conv2dShape& shape :
       {Conv2dShape{2, 9, 7, 3, 5, 3, 3, 1, 1}, Conv2dShape{3, 11, 8, 24, 37, 3, 3, 2, 1}, Conv2dShape{2, 6, 5, 37, 6, 1, 1, 1, 0},
        Conv2dShape{1, 5, 9, 1, 1, 5, 3, 2, 2}, Conv2dShape{2, 9, 10, 5, 32, 3, 3, 2, 1}, Conv2dShape{2, 15, 17, 3, 64, 5, 3, 1, 1}}) {
    check_all_variants(check_conv2d, shape);
  }
}

TEST(CpuConv2d, OnePixelAndFilterAsLargeAsThePicture) {
  check_conv2d({1, 1, 1, 1, 1, 1, 1, 1, 0}, Kind::kAffineRelu, Accumulate::kWrite, true);
  check_conv2d({2, 1, 1, 3, 6, 3, 3, 1, 1}, Kind::kAffineRelu, Accumulate::kAdd, true);
  check_conv2d({3, 7, 7, 6, 24, 7, 7, 1, 0}, Kind::kRelu, Accumulate::kWrite, true);
  check_conv2d({1, 1, 40, 24, 3, 1, 7, 1, 0}, Kind::kPlain, Accumulate::kWrite, true);
}

TEST(CpuConv2d, LayersOfTheNetworks) {
  check_conv2d({2, 40, 70, 3, 6, 7, 7, 1, 0}, Kind::kPlain, Accumulate::kWrite, true);          // simplenet conv1
  check_conv2d({2, 45, 45, 6, 16, 7, 7, 1, 0}, Kind::kRelu, Accumulate::kWrite, true);          // simplenet conv2
  check_conv2d({2, 29, 31, 16, 24, 7, 7, 1, 0}, Kind::kRelu, Accumulate::kWrite, true);         // simplenet conv3
  check_conv2d({2, 64, 64, 3, 32, 3, 3, 2, 1}, Kind::kPlain, Accumulate::kWrite, true);         // edgenet stem
  check_conv2d({2, 47, 47, 3, 32, 3, 3, 2, 0}, Kind::kPlain, Accumulate::kWrite, false);        // xception conv1
  check_conv2d({2, 23, 23, 32, 64, 3, 3, 1, 0}, Kind::kAffineRelu, Accumulate::kWrite, false);  // xception conv2
  check_conv2d({2, 19, 19, 128, 256, 1, 1, 2, 0}, Kind::kRelu, Accumulate::kAdd, false);        // xception block 2 skip
}

TEST(CpuLinear, EveryPrologue) {
  for (const LinearShape& shape : {LinearShape{1, 1, 1}, LinearShape{5, 37, 6}, LinearShape{1500, 3, 24}, LinearShape{1100, 37, 33},
                                   LinearShape{4200, 19, 64}, LinearShape{32, 700, 300}, LinearShape{300, 17, 5}}) {
    check_all_variants(check_linear, shape);
  }
}

TEST(CpuLinear, LayersOfTheNetworks) {
  check_linear({8, 16224, 64}, Kind::kRelu, Accumulate::kWrite, true);
  check_linear({32, 1024, 256}, Kind::kRelu, Accumulate::kWrite, true);
  check_linear({32, 64, 2}, Kind::kRelu, Accumulate::kWrite, true);
  check_linear({1300, 728, 96}, Kind::kPlain, Accumulate::kWrite, false);
}

}  // namespace
}  // namespace sepia::kernels
