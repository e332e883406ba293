// Runs an OpCase on the inputs of a PyTorch golden (tests/golden/ops.json) and compares with PyTorch's results.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/golden.h"
#include "tests/support/op_checks.h"

namespace sepia::test {

/// sepia's names for arrays of a golden, where they differ.
using Renames = std::map<std::string, std::string>;

/// The arrays of a golden's "inputs" or "outputs" in sepia's layout: 4-D ones NCHW -> NHWC (filters OIHW -> OHWI alike),
/// depthwise filters (C, 1, R, S) -> (R, S, C), all others as they are.
inline Arrays golden_arrays(const nlohmann::json& arrays, bool depthwise = false, const Renames& renames = {}) {
  Arrays result;
  for (const auto& [name, json] : arrays.items()) {
    golden::Array a = golden::array(json);
    const bool filter = name == "weight" || name == "grad_weight" || name == "depthwise" || name == "grad_depthwise";
    if (depthwise && filter && a.shape.size() == 4) std::swap(a.shape[0], a.shape[1]);  // (1, C, R, S): the 1 is free to move
    const auto renamed = renames.find(name);
    result[renamed == renames.end() ? name : renamed->second] = a.shape.size() == 4 ? golden::nchw_to_nhwc(a) : a.values;
  }
  return result;
}

/// The golden cases of one op: by value, so that a loop may stand right over the call.
inline nlohmann::json op_goldens(const std::string& op) {
  nlohmann::json rows = golden::load("ops").at(op);
  if (rows.empty()) throw std::runtime_error("tests/golden/ops.json has no case of " + op);
  return rows;
}

/// The shape of one input, in PyTorch's order.
inline std::vector<std::int64_t> golden_shape(const nlohmann::json& row, const std::string& input) {
  return row.at("inputs").at(input).at("shape").get<std::vector<std::int64_t>>();
}

/// Every golden result that the case has must agree: the double reference to 1e-10, float tables within the tolerance table.
template <class T, class Case>
void expect_matches_golden(const Case& op_case, const Arrays& inputs, const Arrays& expected, const kernels::KernelTable<T>& table) {
  SCOPED_TRACE(op_case.name);
  const Arrays actual = run_case(op_case, inputs, table);
  for (const auto& [name, values] : expected) {
    const auto found = actual.find(name);
    ASSERT_NE(found, actual.end()) << "the case does not compute " << name;
    const Tolerance limit = std::is_same_v<T, double> ? Tolerance{1e-10, 1e-10} : tolerance<T>(op_case.terms(name), values);
    expect_near(found->second, values, limit, name);
  }
}

/// The same on the double reference and on the CPU's float kernels.
template <class Case>
void expect_matches_golden(const Case& op_case, const Arrays& inputs, const Arrays& expected, const kernels::KernelTable<float>& cpu) {
  expect_matches_golden(op_case, inputs, expected, *kernels::reference_backend().float64);
  expect_matches_golden<float>(op_case, inputs, expected, cpu);
}

}  // namespace sepia::test
