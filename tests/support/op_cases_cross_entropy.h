// OpCases of softmax and cross-entropy.
#pragma once

#include "tests/support/op_case.h"

namespace sepia::test {

struct SoftmaxCase {
  std::string name;
  std::int64_t rows, classes;
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;

  double work() const { return 4 * static_cast<double>(rows * classes); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", rows * classes)}, {"grad_y", random.values("grad_y", rows * classes)}};
    if (accumulate == kernels::Accumulate::kAdd) inputs["grad_x_before"] = random.values("grad_x_before", rows * classes);
    return inputs;
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(rows * classes);
    w.table.softmax_forward(w.context, {rows, classes, w.upload(inputs.at("x")), y});
    return w.download(y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(rows * classes);
    T* grad_x = w.output(rows * classes, accumulate, inputs, "grad_x_before");
    w.table.softmax_forward(w.context, {rows, classes, w.upload(inputs.at("x")), y});
    w.table.softmax_backward(w.context, {rows, classes, y, w.upload(inputs.at("grad_y")), grad_x, accumulate});
    return {{"y", w.download(y)}, {"grad_x", w.download(grad_x)}};
  }

  double terms(const std::string&) const { return static_cast<double>(classes); }
  std::vector<GradientOf> gradients() const { return {{"grad_x", "x", ""}}; }
};

struct CrossEntropyCase {
  std::string name;
  std::int64_t rows, classes;
  bool class_weights = false;
  double smoothing = 0;
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;
  double logit_scale = 1;  ///< 64 makes logits near +-128, where a softmax without the maximum taken out overflows

  double work() const { return 8 * static_cast<double>(rows * classes); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"logits", random.values("logits", rows * classes)},
                  {"labels", random.integers("labels", rows, static_cast<std::uint32_t>(classes))},
                  {"grad_y", {0.75}}};
    for (double& z : inputs["logits"]) z *= logit_scale;
    if (class_weights) inputs["class_weights"] = random.positive("class_weights", classes);
    if (accumulate == kernels::Accumulate::kAdd) inputs["grad_logits_before"] = random.values("grad_logits_before", rows * classes);
    return inputs;
  }

  /// The kernels' arguments on a workspace's device; backward reads the probabilities that forward wrote.
  template <class T>
  struct Arguments {
    kernels::CrossEntropyForward<T> forward;
    kernels::CrossEntropyBackward<T> backward;
  };

  template <class T>
  Arguments<T> prepare(Workspace<T>& w, const Arrays& inputs) const {
    using A = Accumulator<T>;
    const auto* labels = w.template upload<std::int32_t>(inputs.at("labels"));
    const A* weights = w.template upload_if_present<A>(inputs, "class_weights");
    T* probabilities = w.output(rows * classes);
    return {.forward = {rows, classes, w.upload(inputs.at("logits")), labels, weights, smoothing, w.template output<A>(1), probabilities},
            .backward = {rows, classes, probabilities, labels, weights, smoothing, w.template upload<A>(inputs.at("grad_y")),
                         w.output(rows * classes, accumulate, inputs, "grad_logits_before"), accumulate}};
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.cross_entropy_forward(w.context, arguments.forward);
    return w.download(arguments.forward.loss);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.cross_entropy_forward(w.context, arguments.forward);
    w.table.cross_entropy_backward(w.context, arguments.backward);
    return {{"loss", w.download(arguments.forward.loss)},
            {"probabilities", w.download(arguments.forward.probabilities)},
            {"grad_logits", w.download(arguments.backward.grad_logits)}};
  }

  double terms(const std::string& result) const { return static_cast<double>(result == "loss" ? rows * classes : classes); }
  std::vector<GradientOf> gradients() const { return {{"grad_logits", "logits", ""}}; }
};

inline std::vector<SoftmaxCase> softmax_cases() {
  std::vector<SoftmaxCase> cases;
  for (const auto& [rows, classes] : {std::pair{1, 1}, {1, 2}, {32, 2}, {5, 3}, {3, 37}, {2, 1000}}) {
    for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
      cases.push_back({str("softmax ", rows, "x", classes, " ", describe(accumulate)), rows, classes, accumulate});
    }
  }
  return cases;
}

inline std::vector<CrossEntropyCase> cross_entropy_cases() {
  std::vector<CrossEntropyCase> cases;
  for (const auto& [rows, classes] : {std::pair{1, 2}, {32, 2}, {7, 3}, {5, 37}, {3, 1000}}) {
    for (const bool weights : {false, true}) {
      for (const double smoothing : {0.0, 0.1}) {
        for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
          cases.push_back(
              {str("cross_entropy ", rows, "x", classes, weights ? " weights" : "", " smoothing ", smoothing, " ", describe(accumulate)),
               rows, classes, weights, smoothing, accumulate});
        }
      }
    }
  }
  cases.push_back({"cross_entropy of large logits", 9, 4, false, 0.0, kernels::Accumulate::kWrite, 64});
  cases.push_back({"cross_entropy of large logits, smoothed", 9, 4, true, 0.2, kernels::Accumulate::kWrite, 64});
  return cases;
}

}  // namespace sepia::test
