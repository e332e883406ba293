// OpCases of batch normalisation: statistics, affine, and both backward kernels, as the op puts them together.
#pragma once

#include <cmath>

#include "tests/support/op_case.h"

namespace sepia::test {

struct BatchNormCase {
  std::string name;
  kernels::BatchNormShape shape;
  bool frozen = false;  ///< normalise by given running statistics
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;
  double offset = 0;  ///< added to x: a mean far from zero makes E[x^2] - E[x]^2 useless
  double eps = 1e-5;

  std::int64_t size() const { return shape.rows * shape.channels; }
  double work() const { return 4 * static_cast<double>(size()); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", size())},
                  {"grad_y", random.values("grad_y", size())},
                  {"gamma", random.scales("gamma", shape.channels)},
                  {"beta", random.shifts("beta", shape.channels)}};
    for (double& x : inputs["x"]) x += offset;
    if (frozen) {
      inputs["running_mean"] = random.values("running_mean", shape.channels);
      inputs["running_variance"] = random.positive("running_variance", shape.channels);
    }
    if (accumulate == kernels::Accumulate::kAdd) inputs["grad_x_before"] = random.values("grad_x_before", size());
    return inputs;
  }

  /// The kernels' arguments on a workspace's device, each reading what the ones before it wrote.
  template <class T>
  struct Arguments {
    kernels::BatchNormStatistics<T> statistics;
    kernels::BatchNormAffine<T> affine;
    kernels::AffineReluForward<T> apply;
    kernels::BatchNormBackwardSums<T> backward_sums;
    kernels::BatchNormBackwardInput<T> backward_input;
  };

  template <class T>
  Arguments<T> prepare(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    const std::int64_t channels = shape.channels;
    const T* x = w.upload(inputs.at("x"));
    const T* grad_y = w.upload(inputs.at("grad_y"));
    A* mean = frozen ? w.template upload<A>(inputs.at("running_mean")) : w.template output<A>(channels);
    A* variance = frozen ? w.template upload<A>(inputs.at("running_variance")) : w.template output<A>(channels);
    const auto per_channel = [&] { return w.template output<A>(channels); };
    A *scale = per_channel(), *shift = per_channel(), *inv_std = per_channel(), *sum_g = per_channel(), *sum_g_xhat = per_channel();
    return {.statistics = {shape, x, mean, variance, per_channel()},
            .affine = {channels, mean, variance, w.template upload<A>(inputs.at("gamma")), w.template upload<A>(inputs.at("beta")), eps,
                       scale, shift, inv_std},
            .apply = {shape.rows, channels, x, {scale, shift, false}, w.output(size())},
            .backward_sums = {shape, x, grad_y, mean, inv_std, sum_g, sum_g_xhat},
            .backward_input = {shape, x, grad_y, mean, inv_std, scale, frozen ? nullptr : sum_g, frozen ? nullptr : sum_g_xhat,
                               w.output(size(), accumulate, inputs, "grad_x_before"), accumulate}};
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    if (!frozen) w.table.batch_norm_statistics(w.context, arguments.statistics);
    w.table.batch_norm_affine(w.context, arguments.affine);
    w.table.affine_relu_forward(w.context, arguments.apply);
    return w.download(arguments.apply.y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    if (!frozen) w.table.batch_norm_statistics(w.context, arguments.statistics);
    w.table.batch_norm_affine(w.context, arguments.affine);
    w.table.affine_relu_forward(w.context, arguments.apply);
    w.table.batch_norm_backward_sums(w.context, arguments.backward_sums);
    w.table.batch_norm_backward_input(w.context, arguments.backward_input);
    Arrays results{{"y", w.download(arguments.apply.y)},
                   {"scale", w.download(arguments.affine.scale)},
                   {"shift", w.download(arguments.affine.shift)},
                   {"inv_std", w.download(arguments.affine.inv_std)},
                   {"grad_beta", w.download(arguments.backward_sums.sum_g)},
                   {"grad_gamma", w.download(arguments.backward_sums.sum_g_xhat)},
                   {"grad_x", w.download(arguments.backward_input.grad_x)}};
    if (!frozen) {
      results["mean"] = w.download(arguments.statistics.mean);
      results["variance"] = w.download(arguments.statistics.variance);
      results["unbiased_variance"] = w.download(arguments.statistics.unbiased_variance);
    }
    return results;
  }

  /// A mean of size `offset` is known to offset * 2^-24 only, and y, x_hat and what is made of them inherit that. A single row has no
  /// variance, so that its scale is near 1 / sqrt(eps), which magnifies the rounding of x * scale against mean * scale.
  double terms(const std::string& result) const {
    const double rows = static_cast<double>(shape.rows);
    const double inherited = 64 * offset * offset + (shape.rows == 1 && !frozen ? 1 / std::sqrt(eps) : 0);
    if (result == "mean" || result == "variance" || result == "unbiased_variance") return rows;
    if (result == "grad_gamma") return rows * (1 + inherited);
    return rows + inherited;
  }

  std::vector<GradientOf> gradients() const { return {{"grad_x", "x", ""}, {"grad_gamma", "gamma", ""}, {"grad_beta", "beta", ""}}; }
};

inline std::vector<BatchNormCase> batch_norm_cases() {
  // {rows, channels}
  static const kernels::BatchNormShape kShapes[] = {{2, 1},   {7, 1},    {5, 3},    {12, 6},   {63, 24},   {20, 37},
                                                    {9, 728}, {257, 37}, {1000, 3}, {300, 64}, {2051, 33}, {130, 256}};
  std::vector<BatchNormCase> cases;
  for (const auto& s : kShapes) {
    for (const bool frozen : {false, true}) {
      for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
        cases.push_back(
            {str("batch_norm m", s.rows, " c", s.channels, frozen ? " frozen " : " ", describe(accumulate)), s, frozen, accumulate});
      }
    }
  }
  cases.push_back({"batch_norm of one row", {1, 37}, false, kernels::Accumulate::kWrite});
  cases.push_back({"batch_norm of one row, frozen", {1, 37}, true, kernels::Accumulate::kWrite});
  cases.push_back({"batch_norm far from zero", {900, 24}, false, kernels::Accumulate::kWrite, 256.0});
  cases.push_back({"batch_norm with a large eps", {40, 5}, false, kernels::Accumulate::kWrite, 0, 1e-3});
  return cases;
}

/// Layers of the networks at their real sizes.
inline std::vector<BatchNormCase> batch_norm_layer_cases() {
  return {
      {"batch_norm edgenet block 0", {8192, 64}},
      {"batch_norm edgenet block 2", {2048, 256}},
      {"batch_norm xception bn1", {16129, 32}},
      {"batch_norm xception middle flow", {2048, 728}},
  };
}

}  // namespace sepia::test
