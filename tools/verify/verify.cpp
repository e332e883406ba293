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

/// Empty when every result of the case lies within its tolerance.
template <class Case>
std::string fault_of(const Case& op_case, const kernels::Backend& backend) {
  const test::Arrays inputs = op_case.inputs();
  const test::Arrays expected = run_on(op_case, inputs, *kernels::reference_backend().float64, kernels::host_memory());
  const test::Arrays actual = run_on(op_case, inputs, *backend.float32, backend.memory);
  for (const auto& [name, values] : expected) {
    const test::Array& got = actual.at(name);
    const test::Tolerance tolerance = test::tolerance<float>(op_case.terms(name), values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (tolerance.accepts(got.at(i), values[i])) continue;
      std::ostringstream fault;
      fault << name << "[" << i << "] is " << got[i] << ", expected " << values[i];
      return fault.str();
    }
  }
  return "";
}

template <class Case>
Verification verify(const std::string& op, const std::vector<Case>& cases, const kernels::Backend& backend) {
  Verification result{.op = op, .first_fault = ""};
  for (const Case& op_case : cases) {
    std::string fault;
    try {
      fault = fault_of(op_case, backend);
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

}  // namespace

std::vector<Verification> verify_backend(const kernels::Backend& backend) {
  return {
      verify("accumulate_into", test::accumulate_into_cases(), backend),
      verify("adam", test::adam_cases(), backend),
      verify("add", test::add_cases(), backend),
      verify("affine_relu", test::affine_relu_cases(), backend),
      verify("batch_norm", test::batch_norm_cases(), backend),
      verify("conv2d", test::conv2d_cases(), backend),
      verify("cross_entropy", test::cross_entropy_cases(), backend),
      verify("depthwise_conv", test::depthwise_conv_cases(), backend),
      verify("flat", test::flat_cases(), backend),
      verify("global_avg_pool", test::global_avg_pool_cases(), backend),
      verify("images_to_input", test::images_to_input_cases(), backend),
      verify("linear", test::linear_cases(), backend),
      verify("max_pool", test::max_pool_cases(), backend),
      verify("max_pool_ties", test::max_pool_tie_cases(), backend),
      verify("sgd", test::sgd_cases(), backend),
      verify("softmax", test::softmax_cases(), backend),
  };
}

}  // namespace sepia::tools
