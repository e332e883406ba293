// Batch normalisation's kernels on a CUDA device: against the reference, and how many bytes they move.
#include "tests/support/op_cases_batch_norm.h"

#include "tests/cuda/support/device_table.h"

namespace sepia::test {
namespace {

class CudaBatchNorm : public CudaTest {};

TEST_F(CudaBatchNorm, MatchesReferenceInFloat) {
  expect_cuda_matches_reference<float>(batch_norm_cases());
}
TEST_F(CudaBatchNorm, MatchesReferenceInBf16) {
  expect_cuda_matches_reference<bf16>(batch_norm_cases());
}
TEST_F(CudaBatchNorm, MatchesReferenceOnARealLayer) {
  const std::vector<BatchNormCase> layer{{"batch_norm of many pieces", {2048, 256}}, {"batch_norm of several tiles", {515, 728}}};
  expect_cuda_matches_reference<float>(layer);
  expect_cuda_matches_reference<bf16>(layer);
}

// A thread's centre is taken from its own first rows, so columns whose mean is large, or drifts, keep their variance.
TEST_F(CudaBatchNorm, VarianceDoesNotCancel) {
  const BatchNormCase op_case{"far from zero", {3000, 8}};
  Arrays inputs = op_case.inputs();
  for (std::size_t i = 0; i < inputs["x"].size(); ++i) {
    inputs["x"][i] = static_cast<float>(inputs["x"][i] + (i % 8 == 0 ? 4096.0 : static_cast<double>(i / 8) * 0.01));
  }
  const Arrays expected = run_case(op_case, inputs, *kernels::reference_backend().float64);
  const Arrays actual = run_case(op_case, inputs, cuda_table<float>(), cuda_under_test().backend->memory);
  for (const char* name : {"mean", "variance", "unbiased_variance"}) expect_near(actual.at(name), expected.at(name), {2e-6, 0}, name);
}

TEST_F(CudaBatchNorm, NanInAColumnReachesItsStatisticsOnly) {
  const BatchNormCase op_case{"nan", {300, 12}};
  Arrays inputs = op_case.inputs();
  inputs["x"][150 * 12 + 7] = NAN;
  const Arrays expected = run_case(op_case, inputs, *kernels::reference_backend().float64);
  const Arrays actual = run_case(op_case, inputs, cuda_table<float>(), cuda_under_test().backend->memory);
  for (const char* name : {"mean", "variance", "inv_std", "grad_gamma", "grad_x"}) {
    expect_near(actual.at(name), expected.at(name), tolerance<float>(300, {}), name);
  }
  EXPECT_TRUE(std::isnan(actual.at("variance")[7]));
}

TEST_F(CudaBatchNorm, GradientMayBeWrittenInPlace) {
  const BatchNormCase op_case{"in place", {500, 36}};
  const Arrays inputs = op_case.inputs();
  const Arrays expected = run_case(op_case, inputs, *kernels::reference_backend().float64);
  Workspace<float> w(cuda_table<float>(), cuda_under_test().backend->memory);
  auto arguments = op_case.prepare(w, inputs);
  float* gradient = w.upload(inputs.at("grad_y"));
  arguments.backward_sums.grad_y = arguments.backward_input.grad_y = arguments.backward_input.grad_x = gradient;
  w.table.batch_norm_statistics(w.context, arguments.statistics);
  w.table.batch_norm_affine(w.context, arguments.affine);
  w.table.batch_norm_backward_sums(w.context, arguments.backward_sums);
  w.table.batch_norm_backward_input(w.context, arguments.backward_input);
  expect_near(w.download(gradient), expected.at("grad_x"), tolerance<float>(500, expected.at("grad_x")), "grad_x");
}

template <class T>
class CudaBatchNormTraffic : public CudaTest {};
using Types = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(CudaBatchNormTraffic, Types);

// One picture's layers of edgenet and xception. Every op that reads x or grad_y may move 105% of what there is to move, the partial sums
// that its kernels write and read again included.
TYPED_TEST(CudaBatchNormTraffic, EveryRealLayerIsReadOnce) {
  const CudaUnderTest& cuda = cuda_under_test();
  if (!cuda.simt) GTEST_SKIP() << "traffic is counted by the emulator";
  constexpr kernels::BatchNormShape kLayers[] = {{64 * 64, 64},  {32 * 32, 128}, {16 * 16, 256}, {127 * 127, 32}, {125 * 125, 128},
                                                 {63 * 63, 256}, {32 * 32, 728}, {16 * 16, 728}, {8 * 8, 2048}};
  for (const auto& shape : kLayers) {
    const BatchNormCase layer{str("batch_norm ", shape.rows, "x", shape.channels), shape};
    SCOPED_TRACE(layer.name);
    Workspace<TypeParam> w(cuda_table<TypeParam>(), cuda.backend->memory);
    auto arguments = layer.prepare(w, layer.inputs());
    w.table.batch_norm_statistics(w.context, arguments.statistics);
    w.table.batch_norm_affine(w.context, arguments.affine);
    w.table.batch_norm_backward_sums(w.context, arguments.backward_sums);
    cuda.backend->memory.synchronize(w.context);
    const auto expect_lean = [&](auto op, const auto& a, const char* name, double least) {
      const Traffic traffic = count_traffic([&] {
        op(w.context, a);
        cuda.backend->memory.synchronize(w.context);
      });
      EXPECT_LE(traffic.moved(), 1.05 * least) << name << " moves " << 100 * traffic.moved() / least << "% of the least possible";
      EXPECT_GE(traffic.sectors_used(), 0.95) << name;
      EXPECT_EQ(traffic.bank_conflicts, 0) << name;
    };
    const double x = static_cast<double>(layer.size() * static_cast<std::int64_t>(sizeof(TypeParam)));
    const double per_channel = static_cast<double>(shape.channels * static_cast<std::int64_t>(sizeof(float)));
    expect_lean(w.table.batch_norm_statistics, arguments.statistics, "statistics", x + 2 * per_channel);
    expect_lean(w.table.batch_norm_backward_sums, arguments.backward_sums, "backward_sums", 2 * x + 4 * per_channel);
    expect_lean(w.table.batch_norm_backward_input, arguments.backward_input, "backward_input", 3 * x + 5 * per_channel);
    auto frozen = arguments.backward_input;
    frozen.sum_g = frozen.sum_g_xhat = nullptr;
    expect_lean(w.table.batch_norm_backward_input, frozen, "backward_input", 2 * x + per_channel);
  }
}

}  // namespace
}  // namespace sepia::test
