// The checks that every OpCase list goes through, on any backend.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/base/parallel_for.h"
#include "tests/support/op_case.h"
#include "tests/support/tolerance.h"

namespace sepia::test {

/// All results of a case on one kernel table.
template <class T, class Case>
Arrays run_case(const Case& op_case, const Arrays& inputs, const kernels::KernelTable<T>& table,
                const kernels::MemoryCalls& memory = kernels::host_memory(), Bounds bounds = Bounds::kGuarded) {
  Workspace<T> workspace(table, memory, bounds);
  return op_case.run(workspace, inputs);
}

/// Fails with the first element that lies outside the tolerance, the largest error and how many there are.
inline void expect_near(const Array& actual, const Array& expected, Tolerance tolerance, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  std::size_t bad = 0, first_bad = 0;
  for (std::size_t i = actual.size(); i-- > 0;) {
    if (tolerance.accepts(actual[i], expected[i])) continue;
    ++bad;
    first_bad = i;
  }
  EXPECT_EQ(bad, 0u) << what << "[" << first_bad << "] is " << actual[first_bad] << ", expected " << expected[first_bad] << "; " << bad
                     << " of " << actual.size() << " differ";
}

/// Inputs that T holds exactly, so that both sides compute with the same numbers: no ReLU closes on one of them alone.
template <class T>
Arrays representable(Arrays inputs) {
  if constexpr (std::is_same_v<T, bf16>) {
    for (auto& [name, values] : inputs) {
      for (double& value : values) value = static_cast<float>(static_cast<bf16>(static_cast<float>(value)));
    }
  }
  return inputs;
}

/// Runs every case on `table` in type T and compares all results with the double reference.
template <class T, class Case>
void expect_matches_reference(const std::vector<Case>& cases, const kernels::KernelTable<T>& table,
                              const kernels::MemoryCalls& memory = kernels::host_memory()) {
  for (const Case& op_case : cases) {
    SCOPED_TRACE(op_case.name);
    const Arrays inputs = representable<T>(op_case.inputs());
    const Arrays expected = run_case(op_case, inputs, *kernels::reference_backend().float64);
    const Arrays actual = run_case(op_case, inputs, table, memory);
    for (const auto& [name, values] : expected) {
      expect_near(actual.at(name), values, tolerance<T>(op_case.terms(name), values), name);
    }
    if (testing::Test::HasFailure()) return;  // one case is enough to read
  }
}

/// Sets the number of threads and puts it back.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int threads) : before_(num_threads()) { set_num_threads(threads); }
  ~ThreadsGuard() { set_num_threads(before_); }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;
};

/// Every n-th case, where all would take too long.
template <class Case>
std::vector<Case> every(std::size_t n, const std::vector<Case>& cases) {
  std::vector<Case> some;
  for (std::size_t i = 0; i < cases.size(); i += n) some.push_back(cases[i]);
  return some;
}

/// Results must be the same to the bit with 1, 2, 3 and 4 threads.
template <class T, class Case>
void expect_same_for_any_threads(const std::vector<Case>& cases, const kernels::KernelTable<T>& table) {
  for (const Case& op_case : cases) {
    SCOPED_TRACE(op_case.name);
    const Arrays inputs = op_case.inputs();
    Arrays with_one_thread;
    for (const int threads : {1, 2, 3, 4}) {
      const ThreadsGuard guard(threads);
      const Arrays results = run_case(op_case, inputs, table);
      if (threads == 1) with_one_thread = results;
      for (const auto& [name, values] : results) {
        EXPECT_EQ(values, with_one_thread.at(name)) << name << " differs with " << threads << " threads";
      }
    }
    if (testing::Test::HasFailure()) return;
  }
}

/// The scalar L = sum(forward * grad_y) of a case, on the double reference.
template <class Case>
double loss_of(const Case& op_case, const Arrays& inputs) {
  Workspace<double> workspace(*kernels::reference_backend().float64, kernels::host_memory());
  const Array y = op_case.forward(workspace, inputs);
  const Array& grad_y = inputs.at("grad_y");
  double loss = 0;
  for (std::size_t i = 0; i < y.size(); ++i) loss += y[i] * grad_y.at(i);
  return loss;
}

/// Compares one gradient of a case with central differences, at up to `samples` elements spread over the input.
template <class Case>
void expect_gradient(const Case& op_case, const Arrays& inputs, const Arrays& results, const GradientOf& gradient, std::int64_t samples) {
  constexpr double kStep = 1e-6;
  constexpr Tolerance kTolerance{.relative = 1e-3, .absolute = 1e-5};
  const Array& result = results.at(gradient.result);
  const Array& x = inputs.at(gradient.input);
  ASSERT_EQ(result.size(), x.size());
  const auto count = static_cast<std::int64_t>(x.size());
  // An odd stride, so that samples do not all fall on the same channel.
  const std::int64_t stride = std::max<std::int64_t>(1, count / samples) | 1;
  for (std::int64_t i = 0; i < count; i += stride) {
    Arrays moved = inputs;
    moved[gradient.input][i] = x[i] + kStep;
    const double above = loss_of(op_case, moved);
    moved[gradient.input][i] = x[i] - kStep;
    const double numeric = (above - loss_of(op_case, moved)) / (2 * kStep);

    double analytic = result[i];
    if (const auto before = inputs.find(gradient.result + "_before"); before != inputs.end()) analytic -= before->second[i];
    if (const auto factor = inputs.find(gradient.factor); factor != inputs.end()) {
      analytic *= factor->second[i % static_cast<std::int64_t>(factor->second.size())];
    }
    EXPECT_TRUE(kTolerance.accepts(analytic, numeric))
        << gradient.result << "[" << i << "] is " << analytic << ", central difference of " << gradient.input << " is " << numeric;
  }
}

/// Every gradient of every case against central differences in double.
template <class Case>
void expect_gradients(const std::vector<Case>& cases) {
  const ThreadsGuard one_thread(1);  // many tiny runs: waking threads would take most of the time
  for (const Case& op_case : cases) {
    SCOPED_TRACE(op_case.name);
    const Arrays inputs = op_case.inputs();
    const Arrays results = run_case(op_case, inputs, *kernels::reference_backend().float64);
    const auto samples = static_cast<std::int64_t>(std::clamp(5e5 / op_case.work(), 3.0, 16.0));
    for (const GradientOf& gradient : op_case.gradients()) expect_gradient(op_case, inputs, results, gradient, samples);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace sepia::test
