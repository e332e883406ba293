// Products of rows with packed weights, and of one row or a few, against sums in double; and what holding weights keeps.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "engine/base/error.h"
#include "kernels/cpu/dot_rows.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/outer_product.h"
#include "kernels/cpu/packed_product.h"
#include "kernels/cpu/weight_product.h"
#include "tests/support/random_numbers.h"

namespace sepia::kernels::cpu {
namespace {

using test::random_numbers;

// y[m, j] = bias[j] + sum over k of a[m, k] b[k, j] for a (rows, k) and weights (n, k) when turned, else (k, n).
template <class T>
double expected(const std::vector<T>& a, const std::vector<T>& b, const std::vector<float>& bias, std::int64_t k, std::int64_t n, bool turned, std::int64_t m,
                std::int64_t j) {
  double sum = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<std::size_t>(j)]);
  for (std::int64_t i = 0; i < k; ++i) {
    const double x = static_cast<float>(a[static_cast<std::size_t>(m * k + i)]);
    sum += x * static_cast<float>(b[static_cast<std::size_t>(turned ? j * k + i : i * n + j)]);
  }
  return sum;
}

// Eps of what is stored, on top of what fp32 sums lose.
double tolerance(const float*, double value, std::int64_t k) { return 2e-6 * std::sqrt(static_cast<double>(k) + 1) + 1e-6 * std::abs(value); }
double tolerance(const bf16*, double value, std::int64_t k) { return tolerance(static_cast<const float*>(nullptr), value, k) + std::abs(value) / 256; }

template <class In, class Out>
void check_product(std::int64_t rows, std::int64_t k, std::int64_t n, bool turned, bool with_bias) {
  SCOPED_TRACE(str(rows, " rows, k ", k, ", n ", n, turned ? ", turned" : "", with_bias ? ", bias" : ""));
  const auto a = random_numbers<In>(rows * k, 1), b = random_numbers<In>(k * n, 2);
  const auto bias = with_bias ? random_numbers<float>(n, 3) : std::vector<float>();
  std::vector<In> packed(static_cast<std::size_t>(packed_size(static_cast<const In*>(nullptr), k, n)), In(9.0F));
  pack_matrix(StoredMatrix<In>{b.data(), k, n, turned}, packed.data());
  constexpr std::int64_t kMargin = 3;  // a row of y is longer than the product is wide: what lies between must stay
  const std::int64_t pitch = n + kMargin;
  std::vector<Out> y(static_cast<std::size_t>(rows * pitch), Out(77.0F));
  packed_product(PackedProduct<In, Out>{
      .rows = rows, .k = k, .n = n, .a = a.data(), .lda = k, .packed = packed.data(), .bias = with_bias ? bias.data() : nullptr, .y = y.data(), .ldy = pitch});
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t j = 0; j < pitch; ++j) {
      const double actual = static_cast<float>(y[static_cast<std::size_t>(m * pitch + j)]);
      if (j >= n) {
        ASSERT_EQ(actual, 77.0) << "written beyond the product, row " << m;
        continue;
      }
      const double value = expected(a, b, bias, k, n, turned, m, j);
      ASSERT_NEAR(actual, value, tolerance(static_cast<const Out*>(nullptr), value, k)) << "row " << m << " column " << j;
    }
  }
}

// Rows that end in every tail of the tiles, columns in every part of a block, k of one, odd and even.
template <class In, class Out>
void check_products() {
  int index = 0;
  for (const std::int64_t rows : {1, 2, 3, 5, 8, 11, 12, 13, 24, 31, 47}) {
    for (const std::int64_t n : {1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 75}) {
      const std::int64_t k = std::array<std::int64_t, 5>{1, 2, 27, 64, 131}[static_cast<std::size_t>(index % 5)];
      check_product<In, Out>(rows, k, n, index % 2 == 0, index % 3 != 0);
      ++index;
    }
  }
  check_product<In, Out>(70, 728, 728, true, false);
}

template <class T>
void check_dots() {
  for (std::int64_t rows = 1; rows <= kMostDotRows; ++rows) {
    for (const std::int64_t k : {1, 5, 16, 31, 32, 33, 63, 1000}) {
      for (const std::int64_t outputs : {1, 3, 4, 9}) {
        const auto x = random_numbers<T>(rows * k, 1), weight = random_numbers<T>(k * outputs, 2);
        const auto bias = k % 2 == 0 ? random_numbers<float>(outputs, 3) : std::vector<float>();
        std::vector<T> y(static_cast<std::size_t>(rows * outputs));
        dot_rows(DotRows<T>{.rows = rows, .k = k, .outputs = outputs, .x = x.data(), .weight = weight.data(), .bias = bias.empty() ? nullptr : bias.data(),
                            .y = y.data(), .ldy = outputs});
        for (std::int64_t m = 0; m < rows; ++m) {
          for (std::int64_t o = 0; o < outputs; ++o) {
            const double value = expected(x, weight, bias, k, outputs, true, m, o);
            ASSERT_NEAR(static_cast<float>(y[static_cast<std::size_t>(m * outputs + o)]), value, tolerance(static_cast<const T*>(nullptr), value, k))
                << rows << " rows, k " << k << ", output " << o << " of " << outputs;
          }
        }
      }
    }
  }
}

TEST(PackedProduct, MatchesSumsInDouble) { check_products<float, float>(); }
TEST(PackedProduct, OfBfloat16MatchesSumsInDouble) {
  if (!has_bf16_products()) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_products<bf16, float>();
  check_products<bf16, bf16>();
}

TEST(DotRows, MatchesSumsInDouble) { check_dots<float>(); }
TEST(DotRows, OfBfloat16MatchesSumsInDouble) {
  if (!has_bf16_products()) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_dots<bf16>();
}

template <class T>
void check_outer_products() {
  int index = 0;
  for (const std::int64_t rows : {1, 2, 3, 16, 65}) {
    for (const std::int64_t outputs : {1, 4, 9, 12, 13, 24, 33}) {
      for (const std::int64_t inputs : {1, 8, 17, 32, 40, 75}) {
        SCOPED_TRACE(str(rows, " rows, ", outputs, " outputs, ", inputs, " inputs"));
        const std::int64_t pitch = outputs + 2;  // g is a part of a wider matrix
        const auto g = random_numbers<T>(rows * pitch, 1), x = random_numbers<T>(rows * inputs, 2);
        auto sums = random_numbers<float>(outputs * inputs, 3);
        const auto before = sums;
        const bool add = index++ % 2 == 0;
        outer_product(OuterProduct<T>{.rows = rows, .outputs = outputs, .inputs = inputs, .g = g.data(), .ldg = pitch, .x = x.data(), .sums = sums.data(), .add = add});
        for (std::int64_t o = 0; o < outputs; ++o) {
          for (std::int64_t i = 0; i < inputs; ++i) {
            const auto at = static_cast<std::size_t>(o * inputs + i);
            double value = add ? static_cast<double>(before[at]) : 0.0;
            for (std::int64_t m = 0; m < rows; ++m) {
              value += static_cast<double>(static_cast<float>(g[static_cast<std::size_t>(m * pitch + o)])) * static_cast<float>(x[static_cast<std::size_t>(m * inputs + i)]);
            }
            ASSERT_NEAR(sums[at], value, tolerance(static_cast<const float*>(nullptr), value, rows)) << "output " << o << " input " << i;
          }
        }
      }
    }
  }
}

TEST(OuterProduct, MatchesSumsInDouble) { check_outer_products<float>(); }
TEST(OuterProduct, OfBfloat16MatchesSumsInDouble) {
  if (!has_bf16_products()) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_outer_products<bf16>();
}

// A row's sums must not depend on the rows around it: a picture's score would depend on its batch.
TEST(PackedProduct, ARowDoesNotDependOnTheOthers) {
  const std::int64_t rows = 29, k = 200, n = 70;
  const auto a = random_numbers<float>(rows * k, 1), b = random_numbers<float>(k * n, 2);
  const WeightProduct<float> product({b.data(), k, n, true});
  std::vector<float> together(static_cast<std::size_t>(rows * n)), alone(static_cast<std::size_t>(n));
  product.run(rows, a.data(), 0, n, nullptr, together.data(), n);
  for (std::int64_t m = 0; m < rows; ++m) {
    product.run(1, a.data() + m * k, 0, n, nullptr, alone.data(), n);
    ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + m * n)) << "row " << m;
  }
}

TEST(HeldWeights, ArePackedOnceAndForgottenAtTheLastRelease) {
  const std::int64_t k = 8, n = 40;
  std::vector<float> weight(static_cast<std::size_t>(k * n), 1.0F), x(static_cast<std::size_t>(k), 1.0F), y(static_cast<std::size_t>(n));
  const auto first_sum = [&] {
    WeightProduct<float>({weight.data(), k, n, true}).run(1, x.data(), 0, n, nullptr, y.data(), n);
    return y[0];
  };
  hold_weights();
  hold_weights();
  EXPECT_EQ(first_sum(), 8);
  weight.assign(weight.size(), 2.0F);
  EXPECT_EQ(first_sum(), 8) << "packed anew although held";
  release_weights();
  EXPECT_EQ(first_sum(), 8) << "forgotten although one still holds them";
  release_weights();
  EXPECT_EQ(first_sum(), 16) << "kept although nobody holds them";
  hold_weights();
  EXPECT_EQ(first_sum(), 16) << "the next holder met what the last one had left";
  release_weights();
}

}  // namespace
}  // namespace sepia::kernels::cpu
