// Checks gradients against central differences, in double, on the reference backend, through the tape.
//
// For y = f(x_1, ..., x_n) and L = sum(w * y) with random weights w, backward gives dL/dx; each element is compared with
// (L(x + eps) - L(x - eps)) / (2 eps), eps = 1e-6, within 1e-5 + 1e-3 |numeric|: the tolerances of torch.autograd.gradcheck.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/autograd/variable.h"

namespace sepia::tools {

/// One input whose gradient is checked.
struct GradInput {
  std::string name;
  Shape shape;
  double low = -1.0;   ///< values are drawn uniformly from [low, high)
  double high = 1.0;
};

/// An op at one shape, as a function of its inputs (given in the order of `inputs`).
struct GradCase {
  std::string op;
  std::string name;
  std::vector<GradInput> inputs;
  std::function<Variable(const std::vector<Variable>&)> function;
};

/// One element whose two gradients differ.
struct GradMismatch {
  std::string input;
  std::int64_t index = 0;
  double analytic = 0.0;
  double numeric = 0.0;
};

struct GradReport {
  std::int64_t checked = 0;
  double worst = 0.0;  ///< largest |analytic - numeric| / max(1, |numeric|)
  std::vector<GradMismatch> mismatches;
};

/// Checks every element of every input. `seed` draws the inputs and the weights.
GradReport check_gradients(const GradCase& grad_case, std::uint64_t seed);

/// The cases of all differentiable operations, in the order of their names.
const std::vector<GradCase>& grad_cases();

/// The names of the operations in grad_cases(), each once.
std::vector<std::string> grad_case_ops();

}  // namespace sepia::tools
