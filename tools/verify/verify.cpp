#include "tools/verify/verify.h"

#include <exception>
#include <sstream>

#include "tests/support/op_cases_batch_norm.h"
#include "tests/support/op_cases_conv2d.h"
#include "tests/support/op_cases_cross_entropy.h"
#include "tests/support/op_cases_depthwise_conv.h"
#include "tests/support/op_cases_elementwise.h"
#include "tests/support/op_cases_linear.h"
#include "tests/support/op_cases_optimizer.h"
#include "tests/support/op_cases_pooling.h"
#include "tests/support/tolerance.h"

namespace sepia::tools {
namespace {

template <class T, class Case>
test::Arrays run_on(const Case& op_case, const test::Arrays& inputs, const kernels::KernelTable<T>& table, const kernels::MemoryCalls& memory) {
  test::Workspace<T> workspace(table, memory);
  return op_case.run(workspace, inputs);
}

/// Inputs that T holds exactly, so that both sides compute with the same numbers: no ReLU closes on one of them alone.
template <class T>
test::Arrays representable(test::Arrays inputs) {
  if constexpr (std::is_same_v<T, bf16>) {
    for (auto& [name, values] : inputs) {
      for (double& value : values) value = static_cast<float>(static_cast<bf16>(static_cast<float>(value)));
    }
  }
  return inputs;
}

/// Empty when every result of the case lies within its tolerance.
template <class T, class Case>
std::string fault_of(const Case& op_case, const kernels::Backend& backend) {
  const test::Arrays inputs = representable<T>(op_case.inputs());
  const test::Arrays expected = run_on(op_case, inputs, *kernels::reference_backend().float64, kernels::host_memory());
  const test::Arrays actual = run_on(op_case, inputs, *backend.table<T>(), backend.memory);
  for (const auto& [name, values] : expected) {
    const test::Array& got = actual.at(name);
    const test::Tolerance tolerance = test::tolerance<T>(op_case.terms(name), values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (tolerance.accepts(got.at(i), values[i])) continue;
      std::ostringstream fault;
      fault << name << "[" << i << "] is " << got[i] << ", expected " << values[i];
      return fault.str();
    }
  }
  return "";
}

template <class T, class Case>
Verification verify(const std::string& op, const std::vector<Case>& cases, const kernels::Backend& backend) {
  Verification result{.op = op, .precision = std::is_same_v<T, bf16> ? "bf16" : "fp32", .first_fault = ""};
  for (const Case& op_case : cases) {
    std::string fault;
    try {
      fault = fault_of<T>(op_case, backend);
    } catch (const std::exception& error) {
      fault = error.what();
    }
    ++result.cases;
    if (fault.empty()) {
      ++result.passed;
    } else if (result.first_fault.empty()) {
      result.first_fault = op_case.name + ": " + fault;
    }
  }
  return result;
}

template <class T>
void verify_all(const kernels::Backend& backend, std::vector<Verification>& results) {
  const auto add = [&](const std::string& op, const auto& cases) { results.push_back(verify<T>(op, cases, backend)); };
  add("accumulate_into", test::accumulate_into_cases());
  add("adam", test::adam_cases());
  add("add", test::add_cases());
  add("affine_relu", test::affine_relu_cases());
  add("batch_norm", test::batch_norm_cases());
  add("conv2d", test::conv2d_cases());
  add("cross_entropy", test::cross_entropy_cases());
  add("depthwise_conv", test::depthwise_conv_cases());
  add("flat", test::flat_cases());
  add("global_avg_pool", test::global_avg_pool_cases());
  add("images_to_input", test::images_to_input_cases());
  add("images_to_residual", test::images_to_residual_cases());
  add("linear", test::linear_cases());
  add("max_pool", test::max_pool_cases());
  add("max_pool_ties", test::max_pool_tie_cases());
  add("prepare_step", test::prepare_cases());
  add("sgd", test::sgd_cases());
  add("softmax", test::softmax_cases());
}

}  // namespace

std::vector<Verification> verify_backend(const kernels::Backend& backend) {
  std::vector<Verification> results;
  verify_all<float>(backend, results);
  if (backend.bfloat16) verify_all<bf16>(backend, results);
  return results;
}

}  // namespace sepia::tools
