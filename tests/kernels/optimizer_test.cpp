// Optimiser steps and flat-array kernels: by hand, against PyTorch's trajectories; the CPU's against the reference.
#include "kernels/optimizer.h"

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_optimizer.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

// The first step of Adam moves by lr * g / (|g| + eps) whatever the size of g.
TEST(Adam, FirstStepComputedByHand) {
  const AdamCase by_hand{"by hand", 3};
  const Arrays inputs{{"weight", {1, 2, 3}}, {"gradient", {0.5, -100, 0}}, {"m", {0, 0, 0}}, {"v", {0, 0, 0}}};
  const Arrays results = run_case(by_hand, inputs, reference());
  expect_near(results.at("weight"), {1 - 1e-3 * 0.5 / (0.5 + 1e-8), 2 + 1e-3 * 100 / (100 + 1e-8), 3}, {1e-14, 0}, "weight");
  expect_near(results.at("m"), {0.05, -10, 0}, {1e-14, 0}, "m");
  expect_near(results.at("v"), {0.00025, 10, 0}, {1e-12, 0}, "v");
}

// AdamW shrinks the weight before the step and leaves the moments alone; Adam adds the decay to the gradient, after clipping.
TEST(Adam, WeightDecayComputedByHand) {
  const Arrays inputs{{"weight", {2}}, {"gradient", {4}}, {"m", {0}}, {"v", {0}}};
  const Arrays coupled = run_case(AdamCase{"coupled", 1, false, 0.5, 1, 0.25}, inputs, reference());
  expect_near(coupled.at("m"), {0.1 * (0.25 * 4 + 0.5 * 2)}, {1e-14, 0}, "m");
  expect_near(coupled.at("weight"), {2 - 1e-3}, {1e-8, 0}, "weight");
  const Arrays decoupled = run_case(AdamCase{"decoupled", 1, true, 0.5, 1, 0.25}, inputs, reference());
  expect_near(decoupled.at("m"), {0.1 * 0.25 * 4}, {1e-14, 0}, "m");
  expect_near(decoupled.at("weight"), {2 * (1 - 1e-3 * 0.5) - 1e-3}, {1e-8, 0}, "weight");
}

TEST(Sgd, ComputedByHand) {
  const Arrays inputs{{"weight", {1}}, {"gradient", {4}}, {"buffer", {8}}};
  const auto weight = [&](const SgdCase& c) { return run_case(c, inputs, reference()).at("weight")[0]; };
  EXPECT_DOUBLE_EQ(weight({"plain", 1}), 1 - 0.1 * 4);
  EXPECT_DOUBLE_EQ(weight({"scaled, with decay", 1, 0, 0.5, false, true, 0.25}), 1 - 0.1 * (1 + 0.5));
  EXPECT_DOUBLE_EQ(weight({"first step", 1, 0.5, 0, false, true}), 1 - 0.1 * 4);
  EXPECT_DOUBLE_EQ(weight({"momentum", 1, 0.5, 0, false, false}), 1 - 0.1 * (4 + 4));
  EXPECT_DOUBLE_EQ(weight({"nesterov", 1, 0.5, 0, true, false}), 1 - 0.1 * (4 + 0.5 * 8));
}

/// Every step of an optimiser golden: start, gradients and the weights after each step are PyTorch's.
template <class T, class Step>
void follow_trajectory(const nlohmann::json& row, const kernels::KernelTable<T>& table, Step step) {
  SCOPED_TRACE(row.at("name"));
  Workspace<T> w(table, kernels::host_memory());
  const Array start = row.at("start");
  T* weight = w.upload(start);
  T* first = w.upload(Array(start.size()));
  T* second = w.upload(Array(start.size()));
  const auto& gradients = row.at("gradients");
  for (std::size_t t = 0; t < gradients.size(); ++t) {
    step(w, static_cast<std::int64_t>(start.size()), weight, w.upload(gradients[t].template get<Array>()), first, second,
         static_cast<std::int64_t>(t + 1));
    const Array expected = row.at("weights")[t];
    expect_near(w.download(weight), expected, std::is_same_v<T, double> ? Tolerance{1e-12, 1e-14} : Tolerance{1e-5, 1e-6},
                str("weights after step ", t + 1));
  }
}

template <class T>
void follow_all(const kernels::KernelTable<T>& table) {
  const auto goldens = golden::load("optim");
  for (const bool decoupled : {false, true}) {
    for (const auto& row : goldens.at(decoupled ? "adamw" : "adam")) {
      const auto& p = row.at("params");
      follow_trajectory<T>(row, table, [&](Workspace<T>& w, std::int64_t count, T* weight, T* gradient, T* m, T* v, std::int64_t step) {
        w.table.adam_step(w.context, {count, weight, gradient, m, v, p.at("lr"), p.at("betas")[0], p.at("betas")[1], p.at("eps"),
                                      p.at("weight_decay"), decoupled, step, 1.0, nullptr});
      });
    }
  }
  for (const auto& row : goldens.at("sgd")) {
    const auto& p = row.at("params");
    follow_trajectory<T>(row, table, [&](Workspace<T>& w, std::int64_t count, T* weight, T* gradient, T* buffer, T*, std::int64_t step) {
      const double momentum = p.at("momentum");
      w.table.sgd_step(w.context, {count, weight, gradient, momentum == 0 ? nullptr : buffer, p.at("lr"), momentum, p.at("weight_decay"),
                                   p.at("nesterov"), step == 1, 1.0, nullptr});
    });
  }
  for (const auto& row : goldens.at("ema")) {
    Workspace<T> w(table, kernels::host_memory());
    T* average = w.upload(row.at("start").get<Array>());
    for (std::size_t t = 0; t < row.at("weights").size(); ++t) {
      const Array weights = row.at("weights")[t], expected = row.at("averages")[t];
      w.table.lerp(w.context, {std::ssize(weights), w.upload(weights), average, 1 - row.at("decay").get<double>()});
      expect_near(w.download(average), expected, std::is_same_v<T, double> ? Tolerance{1e-12, 1e-14} : Tolerance{1e-5, 1e-6}, "average");
    }
  }
}

TEST(Optimizer, ReferenceFollowsPyTorch) {
  follow_all<double>(reference());
}
TEST(Optimizer, CpuFollowsPyTorch) {
  follow_all<float>(cpu_table());
}

TEST(FindNonfinite, FindsTheFirstOfSeveral) {
  for (const auto& c : flat_cases()) {
    SCOPED_TRACE(c.name);
    double expected = -1;
    for (const std::int64_t i : c.nonfinite) expected = expected < 0 ? static_cast<double>(i) : std::min(expected, static_cast<double>(i));
    EXPECT_EQ(run_case(c, c.inputs(), reference()).at("found"), Array{expected});
    EXPECT_EQ(run_case(c, c.inputs(), cpu_table()).at("found"), Array{expected});
  }
}

// Gradient (3, 4): norm 5.
TEST(PrepareStep, ComputedByHand) {
  const auto prepared = [](Array gradient, double loss, double clip_grad, kernels::StepControl before) {
    Workspace<double> w(reference(), kernels::host_memory());
    kernels::StepControl* control = w.upload_struct(before);
    w.table.prepare_step(w.context, {std::ssize(gradient), w.upload(gradient), w.upload(Array{loss}), clip_grad, control});
    return w.download_struct(control);
  };
  const kernels::StepControl start{.lr = 0.5, .gradient_scale = 0, .step = 0, .nonfinite = -1, .loss = 0, .norm = 0};
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

  const kernels::StepControl clipped = prepared({3, 4}, 0.25, 2, start);
  EXPECT_EQ(clipped.lr, 0.5);
  EXPECT_EQ(clipped.loss, 0.25);
  EXPECT_EQ(clipped.norm, 5);
  EXPECT_DOUBLE_EQ(clipped.gradient_scale, 2 / (5 + 1e-6));
  EXPECT_EQ(clipped.nonfinite, -1);
  EXPECT_EQ(clipped.step, 1);
  EXPECT_EQ(prepared({3, 4}, 0.25, 0, start).gradient_scale, 1);
  EXPECT_EQ(prepared({3, 4}, 0.25, 6, start).gradient_scale, 1);

  // The first bad element; the loss counts as the element behind the last; step stays.
  EXPECT_EQ(prepared({3, infinity, nan}, 1, 2, start).nonfinite, 1);
  EXPECT_EQ(prepared({3, nan}, nan, 2, start).nonfinite, 1);
  EXPECT_EQ(prepared({3, 4}, -infinity, 2, start).nonfinite, 2);
  EXPECT_EQ(prepared({3, 4}, nan, 2, start).step, 0);

  // Once stopped, a finite step changes neither.
  const kernels::StepControl stays = prepared({3, 4}, 1, 2, stopped_at(9));
  EXPECT_EQ(stays.nonfinite, 9);
  EXPECT_EQ(stays.step, 7);
}

// lr is a factor to control's; step and scale are control's own.
TEST(StepControl, StandsInForTheArguments) {
  const Arrays inputs{{"weight", {1}}, {"gradient", {4}}, {"buffer", {8}}, {"m", {0}}, {"v", {0}}};
  const auto sgd = [&](kernels::StepControl c) { return run_case(SgdCase{"sgd", 1, 0.5, 0, false, false, 1, c}, inputs, reference()); };
  EXPECT_DOUBLE_EQ(sgd(going_on(1)).at("weight")[0], 1 - 0.1 * 0.375 * 0.25 * 4);
  EXPECT_DOUBLE_EQ(sgd(going_on(2)).at("weight")[0], 1 - 0.1 * 0.375 * (0.25 * 4 + 0.5 * 8));
  EXPECT_EQ(sgd(stopped_at(0)).at("weight")[0], 1);
  EXPECT_EQ(sgd(stopped_at(0)).at("buffer")[0], 8);
  const auto adam = [&](kernels::StepControl c) { return run_case(AdamCase{"adam", 1, false, 0, 5, 1, c}, inputs, reference()); };
  EXPECT_NEAR(adam(going_on(1)).at("weight")[0], 1 - 1e-3 * 0.375, 1e-10);
  EXPECT_DOUBLE_EQ(adam(going_on(1)).at("m")[0], 0.1 * 0.25 * 4);
  EXPECT_EQ(adam(stopped_at(3)).at("weight")[0], 1);
  EXPECT_EQ(adam(stopped_at(3)).at("v")[0], 0);
}

TEST(FlatArrays, NothingIsDoneToNoElements) {
  const FlatCase empty{"empty", 0};
  for (const auto& results : {run_case(empty, empty.inputs(), reference()), run_case(empty, empty.inputs(), cpu_table())}) {
    EXPECT_EQ(results.at("sum of squares"), Array{0});
    EXPECT_EQ(results.at("found"), Array{-1});
  }
}

TEST(Optimizer, ReferenceInFloatMatchesDouble) {
  const auto& table = *kernels::reference_backend().float32;
  expect_matches_reference(adam_cases(), table);
  expect_matches_reference(sgd_cases(), table);
  expect_matches_reference(flat_cases(), table);
  expect_matches_reference(prepare_cases(), table);
}
TEST(Optimizer, CpuMatchesReference) {
  expect_matches_reference(adam_cases(), cpu_table());
  expect_matches_reference(sgd_cases(), cpu_table());
  expect_matches_reference(flat_cases(), cpu_table());
  expect_matches_reference(prepare_cases(), cpu_table());
}
TEST(Optimizer, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(adam_cases(), cpu_table());
  expect_same_for_any_threads(sgd_cases(), cpu_table());
  expect_same_for_any_threads(flat_cases(), cpu_table());
  expect_same_for_any_threads(prepare_cases(), cpu_table());
}

}  // namespace
}  // namespace sepia::test
