// Batch normalisation: by hand, against finite differences and PyTorch, alone and fused into a depthwise convolution.
#include "kernels/batch_norm.h"

#include <cmath>

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_batch_norm.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

const Renames kRenames{
    {"weight", "gamma"}, {"bias", "beta"}, {"running_var", "running_variance"}, {"grad_weight", "grad_gamma"}, {"grad_bias", "grad_beta"}};

// Column 0 holds -3 and 5: mean 1, variance 16, inv_std 1 / sqrt(16 + 9) = 0.2. Column 1 is constant: inv_std 1 / 3.
TEST(BatchNorm, ComputedByHand) {
  const BatchNormCase by_hand{"by hand", {2, 2}, false, kernels::Accumulate::kAdd, 0, 9.0};
  const Arrays inputs{
      {"x", {-3, 2, 5, 2}}, {"grad_y", {1, 1, 2, 5}}, {"gamma", {10, 3}}, {"beta", {1, 4}}, {"grad_x_before", {100, 0, 0, 0}}};
  const Arrays results = run_case(by_hand, inputs, reference());
  const auto expect = [&](const char* name, const Array& expected) { expect_near(results.at(name), expected, {1e-14, 1e-14}, name); };
  expect("mean", {1, 2});
  expect("variance", {16, 0});
  expect("unbiased_variance", {32, 0});
  expect("inv_std", {0.2, 1.0 / 3});
  expect("scale", {2, 1});
  expect("shift", {-1, 2});
  expect("y", {-7, 4, 9, 4});
  expect("grad_beta", {3, 6});
  expect("grad_gamma", {-0.8 + 2 * 0.8, 0});
  // 2 * (1 - 3/2 + 0.8 * 0.8 / 2) = -0.36 and the opposite; column 1: 1 * (1 - 3), 1 * (5 - 3).
  expect("grad_x", {100 - 0.36, -2, 0.36, 2});
}

TEST(BatchNorm, GradientMayBeWrittenInPlace) {
  const BatchNormCase op_case{"in place", {50, 37}};
  const Arrays inputs = op_case.inputs();
  const Arrays expected = run_case(op_case, inputs, reference());
  for (const auto* table : {kernels::reference_backend().float32, &cpu_table()}) {
    Workspace<float> w(*table, kernels::host_memory());
    auto arguments = op_case.prepare(w, inputs);
    float* gradient = w.upload(inputs.at("grad_y"));
    arguments.backward_sums.grad_y = arguments.backward_input.grad_y = arguments.backward_input.grad_x = gradient;
    w.table.batch_norm_statistics(w.context, arguments.statistics);
    w.table.batch_norm_affine(w.context, arguments.affine);
    w.table.batch_norm_backward_sums(w.context, arguments.backward_sums);
    w.table.batch_norm_backward_input(w.context, arguments.backward_input);
    expect_near(w.download(gradient), expected.at("grad_x"), tolerance<float>(50, expected.at("grad_x")), "grad_x");
  }
}

TEST(BatchNorm, UnbiasedVarianceMayBeLeftOut) {
  const BatchNormCase op_case{"without", {20, 5}};
  for (const auto* table : {kernels::reference_backend().float32, &cpu_table()}) {
    Workspace<float> w(*table, kernels::host_memory());
    auto arguments = op_case.prepare(w, op_case.inputs());
    arguments.statistics.unbiased_variance = nullptr;
    w.table.batch_norm_statistics(w.context, arguments.statistics);
    EXPECT_GT(w.download(arguments.statistics.variance)[4], 0);
  }
}

TEST(BatchNorm, GradientsMatchFiniteDifferences) {
  // One row has no deviation, and far from zero finite differences lose their digits: both are compared on backends only.
  std::vector<BatchNormCase> cases;
  for (const auto& c : batch_norm_cases()) {
    if ((c.shape.rows > 1 || c.frozen) && c.offset == 0) cases.push_back(c);
  }
  expect_gradients(cases);
}

TEST(BatchNorm, MatchesPyTorch) {
  for (const auto& row : op_goldens("batch_norm")) {
    const auto x = golden_shape(row, "x");
    const bool training = row.at("params").at("training");
    const double momentum = row.at("params").at("momentum");
    const BatchNormCase op_case{
        row.at("name"), {x[0] * x[2] * x[3], x[1]}, !training, kernels::Accumulate::kWrite, 0, row.at("params").at("eps")};
    const Arrays inputs = golden_arrays(row.at("inputs"), false, kRenames);
    Arrays expected = golden_arrays(row.at("outputs"), false, kRenames);
    if (training) {  // running = (1 - momentum) running + momentum * statistic, so the statistic can be read back from it
      for (std::size_t c = 0; c < inputs.at("gamma").size(); ++c) {
        expected["mean"].push_back((expected["running_mean_after"][c] - (1 - momentum) * inputs.at("running_mean")[c]) / momentum);
        expected["unbiased_variance"].push_back((expected["running_var_after"][c] - (1 - momentum) * inputs.at("running_variance")[c]) /
                                                momentum);
      }
    }
    expected.erase("running_mean_after");
    expected.erase("running_var_after");
    // x of size 10000 leaves 1e-12 of a deviation of size one in double, and nothing in float.
    const bool far = std::abs(inputs.at("x")[0]) > 100;
    const Arrays actual = run_case(op_case, inputs, reference());
    SCOPED_TRACE(op_case.name);
    for (const auto& [name, values] : expected)
      expect_near(actual.at(name), values, far ? Tolerance{1e-8, 1e-8} : Tolerance{1e-10, 1e-10}, name);
    if (!far) expect_matches_golden<float>(op_case, inputs, expected, cpu_table());
  }
}

/// depthwise(relu(batch_norm(x))) with batch norm and ReLU left to the convolution as its prologue, on one kernel table.
template <class T>
Arrays run_fused(const nlohmann::json& row, const kernels::KernelTable<T>& table) {
  const auto shape = golden_shape(row, "x");
  const std::int64_t channels = shape[1], rows = shape[0] * shape[2] * shape[3];
  const Arrays inputs = golden_arrays(row.at("inputs"), true, kRenames);
  const BatchNormCase norm{
      row.at("name"), {rows, channels}, row.at("params").at("frozen"), kernels::Accumulate::kWrite, 0, row.at("params").at("eps")};

  Workspace<T> w(table, kernels::host_memory());
  auto bn = norm.prepare(w, inputs);
  if (!norm.frozen) table.batch_norm_statistics(w.context, bn.statistics);
  table.batch_norm_affine(w.context, bn.affine);
  const kernels::DepthwiseConvShape filter{shape[0], shape[2], shape[3], channels, 3, 3, 1, row.at("params").at("padding")};
  const kernels::Prologue<T> act{bn.affine.scale, bn.affine.shift, true};
  const T* weight = w.upload(inputs.at("depthwise"));
  T* y = w.output(norm.size());
  table.depthwise_conv_forward(w.context, {filter, bn.statistics.x, act, weight, nullptr, y});

  // The convolution's grad_x is the gradient at the affine output, which is what batch norm's backward wants.
  T* gradient = w.output(norm.size());
  auto* grad_weight = w.template output<Accumulator<T>>(9 * channels);
  table.depthwise_conv_backward(w.context, {filter, bn.statistics.x, act, weight, w.upload(inputs.at("grad_y")), gradient,
                                            kernels::Accumulate::kWrite, grad_weight, nullptr, kernels::Accumulate::kWrite});
  bn.backward_sums.grad_y = bn.backward_input.grad_y = gradient;
  table.batch_norm_backward_sums(w.context, bn.backward_sums);
  table.batch_norm_backward_input(w.context, bn.backward_input);
  return {{"y", w.download(y)},
          {"grad_depthwise", w.download(grad_weight)},
          {"grad_gamma", w.download(bn.backward_sums.sum_g_xhat)},
          {"grad_beta", w.download(bn.backward_sums.sum_g)},
          {"grad_x", w.download(bn.backward_input.grad_x)}};
}

TEST(BatchNorm, FusedIntoADepthwiseConvolutionMatchesPyTorch) {
  for (const auto& row : op_goldens("bn_relu_depthwise")) {
    SCOPED_TRACE(row.at("name"));
    const Arrays expected = golden_arrays(row.at("outputs"), true, kRenames);
    for (const auto& [name, actual] : run_fused(row, reference())) expect_near(actual, expected.at(name), {1e-10, 1e-10}, name);
    for (const auto& [name, actual] : run_fused(row, cpu_table())) {
      expect_near(actual, expected.at(name), tolerance<float>(40, expected.at(name)), name);
    }
  }
}

TEST(BatchNorm, ReferenceInFloatMatchesDouble) {
  expect_matches_reference(batch_norm_cases(), *kernels::reference_backend().float32);
}
TEST(BatchNorm, CpuMatchesReference) {
  expect_matches_reference(batch_norm_cases(), cpu_table());
}
TEST(BatchNorm, CpuMatchesReferenceOnRealLayers) {
  expect_matches_reference(batch_norm_layer_cases(), cpu_table());
}
TEST(BatchNorm, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(batch_norm_cases(), cpu_table());
  expect_same_for_any_threads(batch_norm_layer_cases(), cpu_table());
}

}  // namespace
}  // namespace sepia::test
