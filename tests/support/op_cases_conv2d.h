// OpCases of the dense convolution.
#pragma once

#include "tests/support/op_case.h"

namespace sepia::test {

struct Conv2dCase {
  std::string name;
  kernels::Conv2dShape shape;
  PrologueKind prologue = PrologueKind::kNone;
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;
  bool bias = true;

  std::int64_t x_size() const { return shape.batch * shape.height * shape.width * shape.in_channels; }
  std::int64_t y_size() const { return shape.batch * shape.out_height() * shape.out_width() * shape.out_channels; }
  std::int64_t weight_size() const { return shape.out_channels * shape.kernel_h * shape.kernel_w * shape.in_channels; }
  double work() const { return static_cast<double>(y_size() * shape.kernel_h * shape.kernel_w * shape.in_channels); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", x_size())},
                  {"weight", random.values("weight", weight_size())},
                  {"grad_y", random.values("grad_y", y_size())}};
    add_prologue_inputs(inputs, random, prologue, shape.in_channels);
    if (bias) inputs["bias"] = random.values("bias", shape.out_channels);
    if (accumulate == kernels::Accumulate::kAdd) {
      inputs["grad_x_before"] = random.values("grad_x_before", x_size());
      inputs["grad_weight_before"] = random.values("grad_weight_before", weight_size());
      if (bias) inputs["grad_bias_before"] = random.values("grad_bias_before", shape.out_channels);
    }
    return inputs;
  }

  /// The kernels' arguments on a workspace's device.
  template <class T>
  struct Arguments {
    kernels::Conv2dForward<T> forward;
    kernels::Conv2dBackwardInput<T> backward_input;
    kernels::Conv2dBackwardWeight<T> backward_weight;
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
        // Without a ReLU the kernel must not need x.
        .backward_input = {shape, grad_y, weight, act.relu ? x : nullptr, act, w.output(x_size(), accumulate, inputs, "grad_x_before"),
                           accumulate},
        .backward_weight = {shape, x, act, grad_y, w.template output<A>(weight_size(), accumulate, inputs, "grad_weight_before"),
                            bias ? w.template output<A>(shape.out_channels, accumulate, inputs, "grad_bias_before") : nullptr, accumulate}};
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.conv2d_forward(w.context, arguments.forward);
    return w.download(arguments.forward.y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.conv2d_forward(w.context, arguments.forward);
    w.table.conv2d_backward_input(w.context, arguments.backward_input);
    w.table.conv2d_backward_weight(w.context, arguments.backward_weight);
    Arrays results{{"y", w.download(arguments.forward.y)},
                   {"grad_x", w.download(arguments.backward_input.grad_x)},
                   {"grad_weight", w.download(arguments.backward_weight.grad_weight)}};
    if (bias) results["grad_bias"] = w.download(arguments.backward_weight.grad_bias);
    return results;
  }

  double terms(const std::string& result) const {
    if (result == "y") return static_cast<double>(shape.kernel_h * shape.kernel_w * shape.in_channels);
    if (result == "grad_x") return static_cast<double>(shape.kernel_h * shape.kernel_w * shape.out_channels);
    return static_cast<double>(shape.batch * shape.out_height() * shape.out_width());
  }

  std::vector<GradientOf> gradients() const {
    std::vector<GradientOf> list{{"grad_x", "x", "scale"}, {"grad_weight", "weight", ""}};
    if (bias) list.push_back({"grad_bias", "bias", ""});
    return list;
  }
};

/// Odd sizes, one-pixel pictures, kernels 1, 3, 5, 7 and oblong, strides 1, 2 and 3, paddings up to more than half the kernel,
/// channels that are no multiple of any vector width; each with every prologue, written and added, with and without bias.
inline std::vector<Conv2dCase> conv2d_cases() {
  // {batch, height, width, in_channels, out_channels, kernel_h, kernel_w, stride, padding}
  static const kernels::Conv2dShape kShapes[] = {
      {1, 1, 1, 1, 1, 1, 1, 1, 0},   {3, 1, 1, 37, 5, 3, 3, 1, 1},  {2, 5, 7, 1, 3, 3, 3, 1, 1},   {2, 13, 11, 3, 6, 7, 7, 1, 0},
      {1, 9, 12, 6, 16, 7, 7, 1, 0}, {2, 9, 7, 3, 32, 3, 3, 2, 1},  {1, 8, 8, 16, 24, 5, 5, 1, 2}, {2, 7, 9, 24, 37, 5, 5, 2, 2},
      {1, 5, 5, 37, 3, 3, 3, 2, 0},  {1, 2, 3, 728, 7, 3, 3, 1, 1}, {2, 3, 3, 5, 728, 1, 1, 1, 0}, {2, 5, 6, 24, 6, 1, 1, 2, 0},
      {1, 6, 5, 3, 4, 3, 1, 1, 1},   {1, 4, 6, 2, 3, 1, 5, 2, 2},   {1, 7, 8, 3, 3, 3, 3, 3, 2},   {1, 4, 4, 6, 6, 7, 7, 1, 3},
      {5, 6, 6, 4, 8, 2, 2, 2, 0},
  };
  std::vector<Conv2dCase> cases;
  for (const auto& s : kShapes) {
    for (const PrologueKind prologue : kAllPrologues) {
      for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
        const bool bias = (cases.size() / 2 + cases.size()) % 2 == 0;  // each with write and add, over the prologues
        cases.push_back(
            {str("conv2d n", s.batch, " ", s.height, "x", s.width, " ", s.in_channels, "->", s.out_channels, " k", s.kernel_h, "x",
                 s.kernel_w, " s", s.stride, " p", s.padding, " ", describe(prologue), " ", describe(accumulate), bias ? " bias" : ""),
             s, prologue, accumulate, bias});
      }
    }
  }
  return cases;
}

/// Layers of the networks at their real sizes: for benchmarks, and because sums over whole pictures must stay exact.
inline std::vector<Conv2dCase> conv2d_layer_cases() {
  return {
      {"conv2d edgenet stem", {2, 256, 256, 3, 32, 3, 3, 2, 1}},
      {"conv2d simplenet conv1", {1, 256, 256, 3, 6, 7, 7, 1, 0}},
      {"conv2d simplenet conv2", {1, 125, 125, 6, 16, 7, 7, 1, 0}},
      {"conv2d simplenet conv3", {1, 59, 59, 16, 24, 7, 7, 1, 0}, PrologueKind::kRelu},
      {"conv2d xception conv2", {1, 127, 127, 32, 64, 3, 3, 1, 0}, PrologueKind::kAffineRelu, kernels::Accumulate::kWrite, false},
  };
}

}  // namespace sepia::test
