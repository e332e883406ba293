// The fused convolution, ReLU and max pooling of the CPU against the separate kernels one after the other, there and back: the same bits.
#include "kernels/conv2d_pool.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "kernels/backend.h"
#include "tests/support/random_numbers.h"

namespace sepia::kernels {
namespace {

using test::random_numbers;

template <class T>
using Numbers = std::vector<T>;

/// What a test compares: numbers by their bits, a NaN as any other.
template <class T>
std::vector<std::uint32_t> bits_of(const std::vector<T>& numbers) {
  std::vector<std::uint32_t> bits;
  for (const T number : numbers) {
    const float value = static_cast<float>(number);
    bits.push_back(std::isnan(value) ? 0x7fc00000U : std::bit_cast<std::uint32_t>(value + 0.0F));  // -0 counts as 0
  }
  return bits;
}

struct Case {
  Conv2dShape shape;
  bool bias = true, relu = true, prologue = false;
  Accumulate accumulate = Accumulate::kWrite;
};

template <class T>
struct Inputs {
  explicit Inputs(const Case& c) : test_case(c) {
    const Conv2dShape& s = c.shape;
    x = random_numbers<T>(s.batch * s.height * s.width * s.in_channels, 1);
    weight = random_numbers<T>(s.out_channels * s.kernel_h * s.kernel_w * s.in_channels, 2);
    bias = random_numbers<float>(s.out_channels, 3);
    scale = random_numbers<float>(s.in_channels, 4);
    shift = random_numbers<float>(s.in_channels, 5);
    grad_y = random_numbers<T>(pooled(), 6);
  }
  std::int64_t positions() const { return test_case.shape.batch * test_case.shape.out_height() * test_case.shape.out_width(); }
  std::int64_t pooled() const {
    const Conv2dShape& s = test_case.shape;
    return s.batch * (s.out_height() / 2) * (s.out_width() / 2) * s.out_channels;
  }
  Prologue<T> prologue() const { return test_case.prologue ? Prologue<T>{scale.data(), shift.data(), true} : Prologue<T>{}; }

  Case test_case;
  Numbers<T> x, weight, grad_y;
  Numbers<float> bias, scale, shift;
};

template <class T>
struct Results {
  explicit Results(const Inputs<T>& in)
      : y(static_cast<std::size_t>(in.pooled()), T(55.0F)), y_alone(y), index(y.size(), 99), grad_x(random_numbers<T>(std::ssize(in.x), 7)),
        grad_weight(random_numbers<float>(std::ssize(in.weight), 8)), grad_bias(random_numbers<float>(in.test_case.shape.out_channels, 9)) {}

  void expect_equal(const Results& expected) const {
    EXPECT_EQ(bits_of(y), bits_of(expected.y)) << "y";
    EXPECT_EQ(bits_of(y_alone), bits_of(expected.y)) << "y where no winners are asked for";
    EXPECT_EQ(index, expected.index) << "winners";
    EXPECT_EQ(bits_of(grad_x), bits_of(expected.grad_x)) << "grad_x";
    EXPECT_EQ(bits_of(grad_weight), bits_of(expected.grad_weight)) << "grad_weight";
    EXPECT_EQ(bits_of(grad_bias), bits_of(expected.grad_bias)) << "grad_bias";
  }

  Numbers<T> y, y_alone;
  std::vector<std::uint8_t> index;
  Numbers<T> grad_x;
  Numbers<float> grad_weight, grad_bias;
};

template <class T>
Results<T> one_after_the_other(const KernelTable<T>& table, const Inputs<T>& in) {
  const auto& [s, bias, relu, prologue, accumulate] = in.test_case;
  Results<T> out(in);
  Numbers<T> v(static_cast<std::size_t>(in.positions() * s.out_channels)), grad_v(v.size());
  const MaxPoolShape pool{s.batch, s.out_height(), s.out_width(), s.out_channels};
  table.conv2d_forward({}, {s, in.x.data(), in.prologue(), in.weight.data(), bias ? in.bias.data() : nullptr, v.data()});
  table.max_pool_forward({}, {pool, v.data(), {.relu = relu}, out.y.data(), out.index.data()});
  table.max_pool_backward({}, {pool, in.grad_y.data(), out.index.data(), out.y.data(), relu, grad_v.data(), Accumulate::kWrite});
  table.conv2d_backward_weight({}, {s, in.x.data(), in.prologue(), grad_v.data(), out.grad_weight.data(), bias ? out.grad_bias.data() : nullptr, accumulate});
  table.conv2d_backward_input({}, {s, grad_v.data(), in.weight.data(), in.x.data(), in.prologue(), out.grad_x.data(), accumulate});
  return out;
}

template <class T>
Results<T> fused(const KernelTable<T>& table, const Inputs<T>& in) {
  const auto& [s, bias, relu, prologue, accumulate] = in.test_case;
  Results<T> out(in);
  Conv2dPoolForward<T> forward{.shape = s, .x = in.x.data(), .prologue = in.prologue(), .weight = in.weight.data(), .bias = bias ? in.bias.data() : nullptr,
                               .relu = relu, .y = out.y.data(), .index = out.index.data()};
  table.conv2d_pool_forward({}, forward);
  forward.y = out.y_alone.data();
  forward.index = nullptr;
  table.conv2d_pool_forward({}, forward);
  table.conv2d_pool_backward({}, {.shape = s, .grad_y = in.grad_y.data(), .index = out.index.data(), .y = relu ? out.y.data() : nullptr, .relu = relu,
                                  .x = in.x.data(), .prologue = in.prologue(), .weight = in.weight.data(), .grad_x = out.grad_x.data(),
                                  .accumulate_x = accumulate, .grad_weight = out.grad_weight.data(), .grad_bias = bias ? out.grad_bias.data() : nullptr,
                                  .accumulate_weight = accumulate});
  return out;
}

template <class T>
void expect_same_bits(const KernelTable<T>& table, const Inputs<T>& in) {
  const Conv2dShape& s = in.test_case.shape;
  SCOPED_TRACE(str(s.batch, "x", s.height, "x", s.width, "x", s.in_channels, " -> ", s.out_channels, " kernel ", s.kernel_h, "x", s.kernel_w, " padding ",
                   s.padding, in.test_case.relu ? " relu" : "", in.test_case.prologue ? " prologue" : ""));
  ASSERT_TRUE(conv2d_pool_takes(s));
  const Results<T> expected = one_after_the_other(table, in);
  for (const int threads : {1, 2, 3}) {
    SCOPED_TRACE(threads);
    set_num_threads(threads);
    fused(table, in).expect_equal(expected);
  }
  set_num_threads(0);
}

/// Both types of activations, where the processor has bf16.
template <class Check>
void for_types(const Check& check) {
  check.template operator()<float>(*cpu_backend().float32);
  if (cpu_backend().bfloat16) check.template operator()<bf16>(*cpu_backend().bfloat16);
}

TEST(Conv2dPool, GivesTheBitsOfTheSeparateKernels) {
  const Case cases[] = {
      {.shape = {2, 96, 96, 3, 6, 7, 7}},  // simplenet's layers, at a smaller size and at their own
      {.shape = {2, 45, 45, 6, 16, 7, 7}},
      {.shape = {1, 256, 256, 3, 6, 7, 7}},
      {.shape = {2, 59, 59, 16, 24, 7, 7}},
      {.shape = {1, 20, 31, 6, 16, 7, 7}, .relu = false},
      {.shape = {3, 17, 40, 5, 2, 3, 5, 1, 1}, .bias = false, .prologue = true, .accumulate = Accumulate::kAdd},
      {.shape = {1, 8, 8, 1, 4, 7, 7}},                 // a single window
      {.shape = {1, 9, 71, 24, 10, 2, 7, 1, 1}, .prologue = true},  // odd rows, and a row of pooled pixels longer than two vectors
      {.shape = {2, 4, 3, 7, 8, 1, 2}, .relu = false, .accumulate = Accumulate::kAdd},  // a filter of one row, a single window across
  };
  for_types([&]<class T>(const KernelTable<T>& table) {
    for (const Case& c : cases) expect_same_bits(table, Inputs<T>(c));
  });
}

// Few distinct values: most windows have several maxima, and bf16 rounds unequal numbers to equal ones.
TEST(Conv2dPool, TiesGoToTheSameWinner) {
  for_types([&]<class T>(const KernelTable<T>& table) {
    for (const bool relu : {false, true}) {
      Inputs<T> in({.shape = {2, 24, 37, 3, 6, 7, 7}, .relu = relu});
      for (T& x : in.x) x = T(std::round(static_cast<float>(x)));
      for (T& w : in.weight) w = T(std::round(static_cast<float>(w) * 1.5F));
      for (float& b : in.bias) b = 0.1F * std::round(b);
      expect_same_bits(table, in);
      for (float& b : in.bias) b = 4096.0F + b;  // bf16 keeps eight bits of these
      expect_same_bits(table, in);
    }
  });
}

TEST(Conv2dPool, NanAndInfinityPassAsTheyDoUnfused) {
  for_types([&]<class T>(const KernelTable<T>& table) {
    for (const bool relu : {false, true}) {
      Inputs<T> in({.shape = {1, 30, 41, 2, 4, 3, 3}, .relu = relu});
      in.x[100] = T(std::numeric_limits<float>::quiet_NaN());
      in.x[1100] = T(std::numeric_limits<float>::infinity());
      in.x[2000] = T(-std::numeric_limits<float>::infinity());
      in.grad_y[40] = T(std::numeric_limits<float>::quiet_NaN());
      expect_same_bits(table, in);
      const auto y = fused(table, in).y;
      EXPECT_TRUE(std::ranges::any_of(y, [](T value) { return std::isnan(static_cast<float>(value)); }));
    }
  });
}

TEST(Conv2dPool, OnlyTheGradientsThatAreWanted) {
  for_types([&]<class T>(const KernelTable<T>& table) {
    const Inputs<T> in({.shape = {2, 24, 37, 3, 6, 7, 7}});
    const Results<T> all = fused(table, in);
    const auto backward = [&](Results<T>& out, bool x, bool weight) {
      table.conv2d_pool_backward({}, {.shape = in.test_case.shape, .grad_y = in.grad_y.data(), .index = all.index.data(), .y = all.y.data(), .relu = true,
                                      .x = in.x.data(), .prologue = {}, .weight = in.weight.data(), .grad_x = x ? out.grad_x.data() : nullptr,
                                      .accumulate_x = Accumulate::kWrite, .grad_weight = weight ? out.grad_weight.data() : nullptr, .grad_bias = nullptr,
                                      .accumulate_weight = Accumulate::kWrite});
    };
    Results<T> of_x(in), of_weight(in);
    backward(of_x, true, false);
    backward(of_weight, false, true);
    EXPECT_EQ(bits_of(of_x.grad_x), bits_of(all.grad_x));
    EXPECT_EQ(bits_of(of_weight.grad_weight), bits_of(all.grad_weight));
    EXPECT_EQ(bits_of(of_weight.grad_bias), bits_of(Results<T>(in).grad_bias)) << "not asked for";
  });
}

TEST(Conv2dPool, TakesFewChannelsOnly) {
  EXPECT_TRUE(conv2d_pool_takes({1, 8, 8, 3, 6, 7, 7}));
  for (const Conv2dShape& s : std::vector<Conv2dShape>{{1, 8, 8, 25, 6, 7, 7}, {1, 8, 8, 3, 26, 7, 7}, {1, 8, 8, 3, 7, 7, 7}, {1, 9, 9, 3, 6, 3, 3, 2},
                                                       {1, 8, 8, 3, 6, 3, 3, 1, 3}, {1, 8, 8, 3, 6, 1, 1}, {1, 7, 8, 3, 6, 7, 7}, {1, 8, 7, 3, 6, 7, 7}}) {
    EXPECT_FALSE(conv2d_pool_takes(s)) << s.height << "x" << s.width << "x" << s.in_channels << " -> " << s.out_channels;
  }
}

}  // namespace
}  // namespace sepia::kernels
