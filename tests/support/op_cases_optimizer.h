// OpCases of the kernels over flat arrays: optimiser steps, norms, checks, averages.
#pragma once

#include <cmath>
#include <limits>
#include <optional>

#include "tests/support/op_case.h"

namespace sepia::test {

/// Control words of the cases. The numbers differ from those that the cases pass as arguments, so that a kernel that reads the wrong
/// ones is seen.
inline kernels::StepControl going_on(std::int64_t step) {
  return {.lr = 0.375, .gradient_scale = 0.25, .step = step, .nonfinite = -1, .loss = 0.5, .norm = 3};
}
inline kernels::StepControl stopped_at(std::int64_t element) {
  return {.lr = 0.375, .gradient_scale = 0.25, .step = 7, .nonfinite = element, .loss = 0.5, .norm = 3};
}

struct AdamCase {
  std::string name;
  std::int64_t count;
  bool decoupled = false;
  double weight_decay = 0;
  std::int64_t step = 1;
  double gradient_scale = 1;
  std::optional<kernels::StepControl> control = {};

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
                                  decoupled, step, gradient_scale, shadow, control ? w.upload_struct(*control) : nullptr});
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
  std::optional<kernels::StepControl> control = {};

  Arrays inputs() const {
    const RandomArrays random(name);
    return {{"weight", random.values("weight", count)},
            {"gradient", random.values("gradient", count)},
            // At the first step the buffer holds nothing that may be read.
            {"buffer", (control ? control->step == 1 : first_step) ? Array(count, std::numeric_limits<double>::quiet_NaN()) : random.values("buffer", count)}};
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    A* weight = w.template upload<A>(inputs.at("weight"));
    A* buffer = momentum == 0 ? nullptr : w.template upload<A>(inputs.at("buffer"));
    T* shadow = std::is_same_v<T, A> ? nullptr : w.output(count);
    w.table.sgd_step(w.context, {count, weight, w.template upload<A>(inputs.at("gradient")), buffer, 0.1, momentum, weight_decay, nesterov,
                                 first_step, gradient_scale, shadow, control ? w.upload_struct(*control) : nullptr});
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
  std::optional<kernels::StepControl> control = {};  ///< of lerp

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
    w.table.lerp(w.context, {count, x, destination, 0.1, control ? w.upload_struct(*control) : nullptr});
    return {{"sum of squares", w.download(sum)}, {"found", w.download(found)}, {"lerp", w.download(destination)}};
  }

  double terms(const std::string& result) const { return result == "found" ? 0 : 1; }
};

/// The head of a step: `control` before it, and what it holds afterwards.
struct PrepareCase {
  std::string name;
  std::int64_t count;
  double clip_grad = 0;
  std::vector<std::int64_t> nonfinite = {};
  double loss = 0.75;
  kernels::StepControl control = going_on(4);

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"gradient", random.values("gradient", count)}, {"loss", {loss}}};
    const double bad[] = {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
    for (std::size_t i = 0; i < nonfinite.size(); ++i) inputs["gradient"][nonfinite[i]] = bad[i % 2];
    return inputs;
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    kernels::StepControl* device = w.upload_struct(control);
    w.table.prepare_step(w.context, {count, w.template upload<A>(inputs.at("gradient")), w.template upload<A>(inputs.at("loss")), clip_grad, device});
    const kernels::StepControl after = w.download_struct(device);
    Arrays results{{"decision", {after.lr, static_cast<double>(after.step), static_cast<double>(after.nonfinite)}}};
    if (!std::isnan(loss)) results["loss"] = {after.loss};
    // Where an element is not finite the norm means nothing.
    if (nonfinite.empty()) results["norm and scale"] = {after.norm, after.gradient_scale};
    return results;
  }

  double terms(const std::string& result) const { return result == "norm and scale" ? 1 : 0; }
};

inline std::vector<AdamCase> adam_cases() {
  std::vector<AdamCase> cases;
  for (const std::int64_t count : {1, 7, 64, 1001, 100'003}) {
    for (const std::int64_t step : {1, 2, 1000}) {
      cases.push_back({str("adam ", count, " step ", step), count, false, 0, step});
      cases.push_back({str("adam with decay ", count, " step ", step), count, false, 0.01, step, 0.25});
      cases.push_back({str("adamw ", count, " step ", step), count, true, 0.05, step, 0.5});
    }
    cases.push_back({str("adam under control ", count), count, false, 0.01, 2, 0.5, going_on(3)});
    cases.push_back({str("adamw under control ", count), count, true, 0.05, 2, 0.5, going_on(3)});
    cases.push_back({str("adam stopped ", count), count, false, 0.01, 2, 0.5, stopped_at(0)});
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
        cases.push_back({str("sgd under control ", count, nesterov ? " nesterov" : "", first ? " first" : ""), count, 0.875, 0.01, nesterov,
                         !first, 0.5, going_on(first ? 1 : 2)});
      }
    }
    cases.push_back({str("sgd stopped ", count), count, 0.875, 0.01, false, false, 0.5, stopped_at(count)});
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
      {"flat 1001, going on", 1001, {}, going_on(5)},
      {"flat 1001, stopped", 1001, {}, stopped_at(12)},
  };
}

inline std::vector<PrepareCase> prepare_cases() {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  return {
      {"prepare 1", 1},
      {"prepare 7, clipped", 7, 0.5},
      {"prepare 1001, not clipped", 1001, 1e3},
      {"prepare 1001, first step", 1001, 0.25, {}, 0.75, going_on(0)},
      {"prepare 300007, clipped", 300'007, 1},
      {"prepare 1, not finite", 1, 1, {0}},
      {"prepare 1001, last not finite", 1001, 1, {1000}},
      {"prepare 300007, several not finite", 300'007, 0, {299'999, 131'071, 131'072}},
      {"prepare 1001, loss infinite", 1001, 0.5, {}, infinity},
      {"prepare 1001, loss NaN", 1001, 0.5, {}, nan},
      {"prepare 1001, loss NaN and a gradient", 1001, 0.5, {17, 400}, nan},
      {"prepare 1001, stopped before", 1001, 0.5, {}, 0.75, stopped_at(12)},
      {"prepare 1001, stopped before and again", 1001, 0.5, {3}, -infinity, stopped_at(12)},
  };
}

}  // namespace sepia::test
