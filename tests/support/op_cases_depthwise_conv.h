// OpCases of the depthwise convolution.
#pragma once

#include "tests/support/op_case.h"

namespace sepia::test {

struct DepthwiseConvCase {
  std::string name;
  kernels::DepthwiseConvShape shape;
  PrologueKind prologue = PrologueKind::kNone;
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;
  bool bias = true;
  bool want_x = true, want_weight = true;

  std::int64_t x_size() const { return shape.batch * shape.height * shape.width * shape.channels; }
  std::int64_t y_size() const { return shape.batch * shape.out_height() * shape.out_width() * shape.channels; }
  std::int64_t weight_size() const { return shape.kernel_h * shape.kernel_w * shape.channels; }
  double work() const { return static_cast<double>(y_size() * shape.kernel_h * shape.kernel_w); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", x_size())},
                  {"weight", random.values("weight", weight_size())},
                  {"grad_y", random.values("grad_y", y_size())}};
    add_prologue_inputs(inputs, random, prologue, shape.channels);
    if (bias) inputs["bias"] = random.values("bias", shape.channels);
    if (accumulate == kernels::Accumulate::kAdd) {
      inputs["grad_x_before"] = random.values("grad_x_before", x_size());
      inputs["grad_weight_before"] = random.values("grad_weight_before", weight_size());
      if (bias) inputs["grad_bias_before"] = random.values("grad_bias_before", shape.channels);
    }
    return inputs;
  }

  /// The kernels' arguments on a workspace's device.
  template <class T>
  struct Arguments {
    kernels::DepthwiseConvForward<T> forward;
    kernels::DepthwiseConvBackward<T> backward;
  };

  template <class T>
  Arguments<T> prepare(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    const T* x = w.upload(inputs.at("x"));
    const T* weight = w.upload(inputs.at("weight"));
    const auto act = upload_prologue(w, inputs, prologue);
    return {.forward = {shape, x, act, weight, w.template upload_if_present<A>(inputs, "bias"), w.output(y_size())},
            .backward = {shape, x, act, weight, w.upload(inputs.at("grad_y")),
                         want_x ? w.output(x_size(), accumulate, inputs, "grad_x_before") : nullptr, accumulate,
                         want_weight ? w.template output<A>(weight_size(), accumulate, inputs, "grad_weight_before") : nullptr,
                         bias ? w.template output<A>(shape.channels, accumulate, inputs, "grad_bias_before") : nullptr, accumulate}};
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.depthwise_conv_forward(w.context, arguments.forward);
    return w.download(arguments.forward.y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.depthwise_conv_forward(w.context, arguments.forward);
    w.table.depthwise_conv_backward(w.context, arguments.backward);
    Arrays results{{"y", w.download(arguments.forward.y)}};
    if (want_x) results["grad_x"] = w.download(arguments.backward.grad_x);
    if (want_weight) results["grad_weight"] = w.download(arguments.backward.grad_weight);
    if (bias) results["grad_bias"] = w.download(arguments.backward.grad_bias);
    return results;
  }

  double terms(const std::string& result) const {
    if (result == "y" || result == "grad_x") return static_cast<double>(shape.kernel_h * shape.kernel_w);
    return static_cast<double>(shape.batch * shape.out_height() * shape.out_width());
  }

  std::vector<GradientOf> gradients() const {
    std::vector<GradientOf> list;
    if (want_x) list.push_back({"grad_x", "x", "scale"});
    if (want_weight) list.push_back({"grad_weight", "weight", ""});
    if (bias) list.push_back({"grad_bias", "bias", ""});
    return list;
  }
};

inline std::vector<DepthwiseConvCase> depthwise_conv_cases() {
  // {batch, height, width, channels, kernel_h, kernel_w, stride, padding}
  static const kernels::DepthwiseConvShape kShapes[] = {
      {1, 1, 1, 1, 1, 1, 1, 0},    {3, 1, 1, 37, 3, 3, 1, 1},   {2, 5, 7, 1, 3, 3, 1, 1},    {2, 9, 7, 3, 3, 3, 2, 1},
      {1, 8, 6, 6, 3, 3, 2, 1},    {2, 7, 9, 24, 3, 3, 1, 1},   {1, 10, 11, 24, 5, 5, 2, 2}, {2, 7, 5, 37, 3, 3, 2, 0},
      {1, 9, 9, 37, 7, 7, 1, 3},   {2, 4, 3, 728, 3, 3, 1, 1},  {1, 5, 5, 728, 3, 3, 2, 1},  {1, 6, 5, 5, 3, 1, 1, 1},
      {1, 4, 6, 2, 1, 5, 2, 2},    {2, 6, 7, 19, 1, 1, 2, 0},   {1, 8, 7, 16, 3, 3, 3, 2},   {1, 2, 2, 33, 5, 5, 1, 2},
      {1, 19, 18, 64, 3, 3, 1, 1}, {1, 17, 20, 32, 3, 3, 2, 1},
  };
  std::vector<DepthwiseConvCase> cases;
  for (const auto& s : kShapes) {
    for (const PrologueKind prologue : kAllPrologues) {
      for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
        const bool bias = (cases.size() / 2 + cases.size()) % 2 == 0;
        const std::string name =
            str("depthwise n", s.batch, " ", s.height, "x", s.width, " c", s.channels, " k", s.kernel_h, "x", s.kernel_w, " s", s.stride,
                " p", s.padding, " ", describe(prologue), " ", describe(accumulate), bias ? " bias" : "");
        cases.push_back({name, s, prologue, accumulate, bias});
      }
    }
  }
  const kernels::DepthwiseConvShape shape{2, 7, 6, 24, 3, 3, 1, 1};
  cases.push_back({"depthwise without grad_x", shape, PrologueKind::kAffineRelu, kernels::Accumulate::kWrite, true, false, true});
  cases.push_back({"depthwise without grad_weight", shape, PrologueKind::kAffineRelu, kernels::Accumulate::kWrite, false, true, false});
  cases.push_back({"depthwise with grad_bias alone", shape, PrologueKind::kNone, kernels::Accumulate::kAdd, true, false, false});
  return cases;
}

/// Layers of the networks at their real sizes.
inline std::vector<DepthwiseConvCase> depthwise_conv_layer_cases() {
  return {
      {"depthwise edgenet block 0", {2, 128, 128, 32, 3, 3, 2, 1}, PrologueKind::kRelu},
      {"depthwise edgenet block 1", {2, 64, 64, 64, 3, 3, 2, 1}, PrologueKind::kAffineRelu},
      {"depthwise edgenet block 2", {2, 32, 32, 128, 3, 3, 2, 1}, PrologueKind::kAffineRelu},
      {"depthwise xception block 1", {1, 125, 125, 64, 3, 3, 1, 1}, PrologueKind::kRelu, kernels::Accumulate::kWrite, false},
      {"depthwise xception middle flow", {2, 16, 16, 728, 3, 3, 1, 1}, PrologueKind::kAffineRelu, kernels::Accumulate::kWrite, false},
  };
}

}  // namespace sepia::test
