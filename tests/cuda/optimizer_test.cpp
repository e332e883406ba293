// Optimiser kernels on CUDA against the reference, and what they move.
#include "tests/cuda/support/device_table.h"
#include "tests/cuda/support/layer_traffic.h"
#include "tests/support/op_cases_optimizer.h"

namespace sepia::test {
namespace {

class OptimizerOnCuda : public CudaTest {};

/// Cases that the emulator gets through in good time.
template <class Case>
std::vector<Case> up_to(std::int64_t count, std::vector<Case> cases) {
  std::erase_if(cases, [&](const Case& c) { return c.count > count; });
  return cases;
}

template <class T>
void match_all() {
  expect_cuda_matches_reference<T>(up_to(2000, adam_cases()));
  expect_cuda_matches_reference<T>(up_to(2000, sgd_cases()));
  expect_cuda_matches_reference<T>(up_to(400'000, flat_cases()));
  expect_cuda_matches_reference<T>(up_to(400'000, prepare_cases()));
}
TEST_F(OptimizerOnCuda, MatchesReferenceInFloat) {
  match_all<float>();
}
TEST_F(OptimizerOnCuda, MatchesReferenceInBfloat16) {
  match_all<bf16>();
}

// More than one block.
TEST_F(OptimizerOnCuda, ManyParameters) {
  expect_cuda_matches_reference<float>(std::vector<AdamCase>{{"adam 100003", 100'003, false, 0.01, 3, 0.5, going_on(3)}});
  expect_cuda_matches_reference<float>(std::vector<SgdCase>{{"sgd 100003", 100'003, 0.875, 0.01, true, false, 0.5}});
}

TEST_F(OptimizerOnCuda, NothingIsDoneToNoElements) {
  const FlatCase empty{"empty", 0};
  const Arrays results = run_case(empty, empty.inputs(), cuda_table<float>(), cuda_under_test().backend->memory);
  EXPECT_EQ(results.at("sum of squares"), Array{0});
  EXPECT_EQ(results.at("found"), Array{-1});
}

// Parameter groups are slices of the arenas: same offset everywhere, any length. What lies outside must stay.
TEST_F(OptimizerOnCuda, StepsOnlyTheSlice) {
  const std::int64_t size = 3000;
  for (const auto& [offset, count] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {3, 2}, {2, 1001}, {5, 2994}}) {
    Workspace<bf16> w(cuda_table<bf16>(), cuda_under_test().backend->memory);
    const Array ones(size, 1.0), zeros(size, 0.0);
    float* weight = w.upload<float>(ones);
    float* gradient = w.upload<float>(ones);
    float* m = w.upload<float>(zeros);
    float* v = w.upload<float>(zeros);
    bf16* shadow = w.upload(zeros);
    w.table.adam_step(w.context, {count, weight + offset, gradient + offset, m + offset, v + offset, 0.5, 0.9, 0.999, 1e-8, 0, false, 1,
                                  1.0, shadow + offset});
    const Array weights = w.download(weight), shadows = w.download(shadow);
    for (std::int64_t i = 0; i < size; ++i) {
      const bool inside = i >= offset && i < offset + count;
      ASSERT_NEAR(weights[i], inside ? 0.5 : 1, 1e-6) << i << " of " << offset << " + " << count;
      ASSERT_EQ(shadows[i], inside ? 0.5 : 0) << i << " of " << offset << " + " << count;
    }
  }
}

// The shadow is the new weight, rounded to nearest even, to the bit.
TEST_F(OptimizerOnCuda, ShadowIsTheRoundedWeight) {
  const std::int64_t count = 1001;
  const RandomArrays random("shadow");
  Workspace<bf16> w(cuda_table<bf16>(), cuda_under_test().backend->memory);
  float* weight = w.upload<float>(random.values("weight", count));
  bf16* shadow = w.output(count);
  w.table.sgd_step(w.context,
                   {count, weight, w.upload<float>(random.values("gradient", count)), nullptr, 0.1, 0, 0, false, true, 1, shadow});
  const Array weights = w.download(weight), shadows = w.download(shadow);
  for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(shadows[i], static_cast<float>(bf16(static_cast<float>(weights[i]))));
}

TEST_F(OptimizerOnCuda, MovesHardlyMoreThanTheLeast) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "the emulator counts";
  const std::int64_t count = 1'000'000;
  const double n = static_cast<double>(count);
  Workspace<bf16> w(cuda_table<bf16>(), cuda_under_test().backend->memory);
  const Array numbers(count, 0.5);
  float* weight = w.upload<float>(numbers);
  float* gradient = w.upload<float>(numbers);
  float* m = w.upload<float>(numbers);
  float* v = w.upload<float>(numbers);
  bf16* shadow = w.output(count);
  const float loss = 1;
  const float* device_loss = w.upload_struct(loss);
  kernels::StepControl* control = w.upload_struct(going_on(3));
  double* sum = w.output<double>(1);
  std::int64_t* found = w.output<std::int64_t>(1);
  expect_streams(
      "adam", 16 * n, 14 * n,
      [&] {
        w.table.adam_step(w.context, {count, weight, gradient, m, v, 1e-3, 0.9, 0.999, 1e-8, 0, false, 4, 1, shadow, control});
      },
      "adam_step");
  expect_streams(
      "sgd", 12 * n, 10 * n,
      [&] {
        w.table.sgd_step(w.context, {count, weight, gradient, m, 1e-3, 0.9, 0, false, false, 1, shadow, control});
      },
      "sgd_step");
  expect_streams(
      "lerp", 8 * n, 4 * n,
      [&] {
        w.table.lerp(w.context, {count, gradient, weight, 0.1, control});
      },
      "lerp");
  expect_streams(
      "sum_of_squares", 4 * n, 0,
      [&] {
        w.table.sum_of_squares(w.context, {count, gradient, sum});
      },
      "");
  expect_streams(
      "find_nonfinite", 4 * n, 0,
      [&] {
        w.table.find_nonfinite(w.context, {count, gradient, found});
      },
      "");
  expect_streams(
      "prepare_step", 4 * n, 0,
      [&] {
        w.table.prepare_step(w.context, {count, gradient, device_loss, 1, control});
      },
      "");
}

}  // namespace
}  // namespace sepia::test
