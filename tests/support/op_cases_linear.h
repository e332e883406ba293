// OpCases of the linear map, which is the pointwise convolution too.
#pragma once

#include "tests/support/op_case.h"

namespace sepia::test {

struct LinearCase {
  std::string name;
  kernels::LinearShape shape;
  PrologueKind prologue = PrologueKind::kNone;
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;
  bool bias = true;

  std::int64_t x_size() const { return shape.rows * shape.in_features; }
  std::int64_t y_size() const { return shape.rows * shape.out_features; }
  std::int64_t weight_size() const { return shape.out_features * shape.in_features; }
  double work() const { return static_cast<double>(y_size() * shape.in_features); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", x_size())},
                  {"weight", random.values("weight", weight_size())},
                  {"grad_y", random.values("grad_y", y_size())}};
    add_prologue_inputs(inputs, random, prologue, shape.in_features);
    if (bias) inputs["bias"] = random.values("bias", shape.out_features);
    if (accumulate == kernels::Accumulate::kAdd) {
      inputs["grad_x_before"] = random.values("grad_x_before", x_size());
      inputs["grad_weight_before"] = random.values("grad_weight_before", weight_size());
      if (bias) inputs["grad_bias_before"] = random.values("grad_bias_before", shape.out_features);
    }
    return inputs;
  }

  /// The kernels' arguments on a workspace's device.
  template <class T>
  struct Arguments {
    kernels::LinearForward<T> forward;
    kernels::LinearBackwardInput<T> backward_input;
    kernels::LinearBackwardWeight<T> backward_weight;
  };

  template <class T>
  Arguments<T> prepare(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    const T* x = w.upload(inputs.at("x"));
    const T* weight = w.upload(inputs.at("weight"));
    const T* grad_y = w.upload(inputs.at("grad_y"));
    const auto act = upload_prologue(w, inputs, prologue);
    return {
        .forward = {shape, x, act, weight, w.template upload_if_present<A>(inputs, "bias"), w.output(y_size())},
        .backward_input = {shape, grad_y, weight, act.relu ? x : nullptr, act, w.output(x_size(), accumulate, inputs, "grad_x_before"),
                           accumulate},
        .backward_weight = {shape, x, act, grad_y, w.template output<A>(weight_size(), accumulate, inputs, "grad_weight_before"),
                            bias ? w.template output<A>(shape.out_features, accumulate, inputs, "grad_bias_before") : nullptr, accumulate}};
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.linear_forward(w.context, arguments.forward);
    return w.download(arguments.forward.y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.linear_forward(w.context, arguments.forward);
    w.table.linear_backward_input(w.context, arguments.backward_input);
    w.table.linear_backward_weight(w.context, arguments.backward_weight);
    Arrays results{{"y", w.download(arguments.forward.y)},
                   {"grad_x", w.download(arguments.backward_input.grad_x)},
                   {"grad_weight", w.download(arguments.backward_weight.grad_weight)}};
    if (bias) results["grad_bias"] = w.download(arguments.backward_weight.grad_bias);
    return results;
  }

  double terms(const std::string& result) const {
    if (result == "y") return static_cast<double>(shape.in_features);
    if (result == "grad_x") return static_cast<double>(shape.out_features);
    return static_cast<double>(shape.rows);
  }

  std::vector<GradientOf> gradients() const {
    std::vector<GradientOf> list{{"grad_x", "x", "scale"}, {"grad_weight", "weight", ""}};
    if (bias) list.push_back({"grad_bias", "bias", ""});
    return list;
  }
};

inline std::vector<LinearCase> linear_cases() {
  // {rows, in_features, out_features}
  static const kernels::LinearShape kShapes[] = {
      {1, 1, 1},   {1, 37, 2},   {3, 6, 24},   {32, 64, 2},   {7, 1, 5},    {5, 24, 1},   {33, 37, 19}, {2, 728, 7},
      {5, 3, 728}, {65, 16, 33}, {129, 24, 6}, {300, 32, 64}, {1, 728, 37}, {17, 100, 9}, {1000, 3, 5},
  };
  std::vector<LinearCase> cases;
  for (const auto& s : kShapes) {
    for (const PrologueKind prologue : kAllPrologues) {
      for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
        const bool bias = (cases.size() / 2 + cases.size()) % 2 == 0;
        cases.push_back({str("linear m", s.rows, " ", s.in_features, "->", s.out_features, " ", describe(prologue), " ",
                             describe(accumulate), bias ? " bias" : ""),
                         s, prologue, accumulate, bias});
      }
    }
  }
  return cases;
}

/// Layers of the networks at their real sizes, or at a fraction of their rows.
inline std::vector<LinearCase> linear_layer_cases() {
  return {
      {"linear edgenet pointwise 0", {8192, 32, 64}},
      {"linear edgenet pointwise 1", {2048, 64, 128}},
      {"linear edgenet pointwise 2", {512, 128, 256}},
      {"linear edgenet fc1", {32, 256, 64}, PrologueKind::kNone},
      {"linear simplenet fc1", {4, 16224, 1024}, PrologueKind::kNone},
      {"linear simplenet fc2", {32, 1024, 256}, PrologueKind::kRelu},
      {"linear xception middle flow", {256, 728, 728}, PrologueKind::kNone, kernels::Accumulate::kWrite, false},
  };
}

}  // namespace sepia::test
