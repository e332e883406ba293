#include "tools/gradcheck/grad_case.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/base/random.h"
#include "engine/ops/materialise.h"

namespace sepia::tools {
namespace {

constexpr double kStep = 1e-6;
constexpr double kAbsolute = 1e-5;
constexpr double kRelative = 1e-3;

std::vector<double> draw(RandomStream& random, std::int64_t count, double low, double high) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = random.uniform(low, high);
  return values;
}

Tensor tensor_of(const std::vector<double>& values, const Shape& shape) {
  return Tensor::from_host<double>(values, shape, kReferenceDevice);
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// f at `values`, as a flat list.
std::vector<double> evaluate(const GradCase& grad_case, const std::vector<std::vector<double>>& values) {
  const NoGradGuard no_grad;
  std::vector<Variable> inputs;
  for (std::size_t i = 0; i < values.size(); ++i) inputs.emplace_back(tensor_of(values[i], grad_case.inputs[i].shape));
  return ops::materialise(grad_case.function(inputs)).value().to_doubles();
}

std::vector<std::vector<double>> analytic_gradients(const GradCase& grad_case, const std::vector<std::vector<double>>& values,
                                                    const std::vector<double>& weights) {
  std::vector<Variable> inputs;
  for (std::size_t i = 0; i < values.size(); ++i) inputs.push_back(Variable::leaf(tensor_of(values[i], grad_case.inputs[i].shape)));
  const Variable y = ops::materialise(grad_case.function(inputs));
  backward(y, tensor_of(weights, y.shape()));
  std::vector<std::vector<double>> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor gradient = inputs[i].grad();
    gradients.push_back(gradient.defined() ? gradient.to_doubles() : std::vector<double>(values[i].size(), 0.0));
  }
  return gradients;
}

}  // namespace

GradReport check_gradients(const GradCase& grad_case, std::uint64_t seed) {
  RandomStream random(seed, RandomPurpose::kTest);
  std::vector<std::vector<double>> values;
  for (const GradInput& input : grad_case.inputs) values.push_back(draw(random, input.shape.numel(), input.low, input.high));
  const std::size_t outputs = evaluate(grad_case, values).size();
  const std::vector<double> weights = draw(random, static_cast<std::int64_t>(outputs), -1.0, 1.0);
  const auto gradients = analytic_gradients(grad_case, values, weights);

  GradReport report;
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < values[i].size(); ++j) {
      const double at = values[i][j];
      values[i][j] = at + kStep;
      const double above = dot(evaluate(grad_case, values), weights);
      values[i][j] = at - kStep;
      const double below = dot(evaluate(grad_case, values), weights);
      values[i][j] = at;
      const double numeric = (above - below) / (2.0 * kStep);
      const double analytic = gradients[i][j];
      const double error = std::abs(analytic - numeric);
      ++report.checked;
      report.worst = std::max(report.worst, error / std::max(1.0, std::abs(numeric)));
      if (!(error <= kAbsolute + kRelative * std::abs(numeric))) {
        report.mismatches.push_back({grad_case.inputs[i].name, static_cast<std::int64_t>(j), analytic, numeric});
      }
    }
  }
  return report;
}

std::vector<std::string> grad_case_ops() {
  std::vector<std::string> names;
  for (const GradCase& grad_case : grad_cases()) {
    if (names.empty() || names.back() != grad_case.op) names.push_back(grad_case.op);
  }
  return names;
}

}  // namespace sepia::tools
