// OpCases of the kernels over flat arrays: optimiser steps, norms, checks, averages.
#pragma once

#include <limits>

#include "tests/support/op_case.h"

namespace sepia::test {

struct AdamCase {
  std::string name;
  std::int64_t count;
  bool decoupled = false;
  double weight_decay = 0;
  std::int64_t step = 1;
  double gradient_scale = 1;

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"weight", random.values("weight", count)}, {"gradient", random.values("gradient", count)}};
    inputs["m"] = step == 1 ? Array(count) : random.values("m", count);
    inputs["v"] = step == 1 ? Array(count) : random.positive("v", count);
    return inputs;
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    A* weight = w.template upload<A>(inputs.at("weight"));
    A* m = w.template upload<A>(inputs.at("m"));
    A* v = w.template upload<A>(inputs.at("v"));
    T* shadow = std::is_same_v<T, A> ? nullptr : w.output(count);
    w.table.adam_step(w.context, {count, weight, w.template upload<A>(inputs.at("gradient")), m, v, 1e-3, 0.9, 0.999, 1e-8, weight_decay,
                                  decoupled, step, gradient_scale, shadow});
    return {{"weight", w.download(weight)}, {"m", w.download(m)}, {"v", w.download(v)}};
  }

  double terms(const std::string&) const { return 1; }
};

struct SgdCase {
  std::string name;
  std::int64_t count;
  double momentum = 0, weight_decay = 0;
  bool nesterov = false, first_step = true;
  double gradient_scale = 1;

  Arrays inputs() const {
    const RandomArrays random(name);
    return {{"weight", random.values("weight", count)},
            {"gradient", random.values("gradient", count)},
            // At the first step the buffer holds nothing that may be read.
            {"buffer", first_step ? Array(count, std::numeric_limits<double>::quiet_NaN()) : random.values("buffer", count)}};
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    A* weight = w.template upload<A>(inputs.at("weight"));
    A* buffer = momentum == 0 ? nullptr : w.template upload<A>(inputs.at("buffer"));
    T* shadow = std::is_same_v<T, A> ? nullptr : w.output(count);
    w.table.sgd_step(w.context, {count, weight, w.template upload<A>(inputs.at("gradient")), buffer, 0.1, momentum, weight_decay, nesterov,
                                 first_step, gradient_scale, shadow});
    Arrays results{{"weight", w.download(weight)}};
    if (buffer) results["buffer"] = w.download(buffer);
    return results;
  }

  double terms(const std::string&) const { return 1; }
};

/// sum_of_squares, find_nonfinite and lerp over one array.
struct FlatCase {
  std::string name;
  std::int64_t count;
  std::vector<std::int64_t> nonfinite = {};  ///< where x holds NaN and infinity, in turn (for find_nonfinite)

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", count)}, {"destination", random.values("destination", count)}};
    inputs["checked"] = inputs["x"];
    const double bad[] = {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()};
    for (std::size_t i = 0; i < nonfinite.size(); ++i) inputs["checked"][nonfinite[i]] = bad[i % 2];
    return inputs;
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    auto* sum = w.template output<double>(1);
    auto* found = w.template output<std::int64_t>(1);
    const A* x = w.template upload<A>(inputs.at("x"));
    A* destination = w.template upload<A>(inputs.at("destination"));
    w.table.sum_of_squares(w.context, {count, x, sum});
    w.table.find_nonfinite(w.context, {count, w.template upload<A>(inputs.at("checked")), found});
    w.table.lerp(w.context, {count, x, destination, 0.1});
    return {{"sum of squares", w.download(sum)}, {"found", w.download(found)}, {"lerp", w.download(destination)}};
  }

  double terms(const std::string& result) const { return result == "found" ? 0 : 1; }
};

inline std::vector<AdamCase> adam_cases() {
  std::vector<AdamCase> cases;
  for (const std::int64_t count : {1, 7, 64, 1001, 100'003}) {
    for (const std::int64_t step : {1, 2, 1000}) {
      cases.push_back({str("adam ", count, " step ", step), count, false, 0, step});
      cases.push_back({str("adam with decay ", count, " step ", step), count, false, 0.01, step, 0.25});
      cases.push_back({str("adamw ", count, " step ", step), count, true, 0.05, step, 0.5});
    }
  }
  return cases;
}

inline std::vector<SgdCase> sgd_cases() {
  std::vector<SgdCase> cases;
  for (const std::int64_t count : {1, 7, 64, 1001, 100'003}) {
    cases.push_back({str("sgd ", count), count});
    cases.push_back({str("sgd with decay ", count), count, 0, 0.01, false, false, 0.5});
    for (const bool nesterov : {false, true}) {
      for (const bool first : {true, false}) {
        cases.push_back({str("sgd with momentum ", count, nesterov ? " nesterov" : "", first ? " first" : ""), count, 0.875, 0.01, nesterov,
                         first, 0.5});
      }
    }
  }
  return cases;
}

inline std::vector<FlatCase> flat_cases() {
  return {
      {"flat 1", 1},
      {"flat 1, not finite", 1, {0}},
      {"flat 7", 7, {6}},
      {"flat 64", 64},
      {"flat 1001", 1001, {1000, 3, 500}},
      {"flat 300007", 300'007, {299'999, 131'071, 131'072}},
      {"flat 2000003, finite", 2'000'003},
  };
}

}  // namespace sepia::test
