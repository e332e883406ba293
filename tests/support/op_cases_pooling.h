// OpCases of max pooling and global average pooling.
#pragma once

#include "tests/support/op_case.h"

namespace sepia::test {

struct MaxPoolCase {
  std::string name;
  kernels::MaxPoolShape shape;
  PrologueKind prologue = PrologueKind::kNone;
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;
  bool ties = false;  ///< few distinct values, so that many windows have several maxima: no finite differences then

  std::int64_t x_size() const { return shape.batch * shape.height * shape.width * shape.channels; }
  std::int64_t y_size() const { return shape.batch * shape.out_height() * shape.out_width() * shape.channels; }
  double work() const { return static_cast<double>(y_size() * shape.kernel * shape.kernel); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", ties ? random.integers("x", x_size(), 4) : random.distinct("x", x_size())},
                  {"grad_y", random.values("grad_y", y_size())}};
    if (ties) {
      for (double& x : inputs["x"]) x -= 2;
    }
    add_prologue_inputs(inputs, random, prologue, shape.channels);
    if (accumulate == kernels::Accumulate::kAdd) inputs["grad_x_before"] = random.values("grad_x_before", x_size());
    return inputs;
  }

  /// The kernels' arguments on a workspace's device; backward reads what forward wrote.
  template <class T>
  struct Arguments {
    kernels::MaxPoolForward<T> forward;
    kernels::MaxPoolBackward<T> backward;
  };

  template <class T>
  Arguments<T> prepare(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(y_size());
    auto* index = w.template output<std::uint8_t>(y_size());
    return {.forward = {shape, w.upload(inputs.at("x")), upload_prologue(w, inputs, prologue), y, index},
            .backward = {shape, w.upload(inputs.at("grad_y")), index, has_relu(prologue) ? y : nullptr, has_relu(prologue),
                         w.output(x_size(), accumulate, inputs, "grad_x_before"), accumulate}};
  }

  /// Without the index, as in evaluation.
  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    auto arguments = prepare(w, inputs);
    arguments.forward.index = nullptr;
    w.table.max_pool_forward(w.context, arguments.forward);
    return w.download(arguments.forward.y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    const auto arguments = prepare(w, inputs);
    w.table.max_pool_forward(w.context, arguments.forward);
    w.table.max_pool_backward(w.context, arguments.backward);
    return {{"y", w.download(arguments.forward.y)},
            {"index", w.download(arguments.forward.index)},
            {"y without index", forward(w, inputs)},
            {"grad_x", w.download(arguments.backward.grad_x)}};
  }

  double terms(const std::string& result) const {
    if (result == "grad_x") return static_cast<double>(shape.kernel * shape.kernel);
    if (result == "index") return 0;
    return 1;
  }
  std::vector<GradientOf> gradients() const { return {{"grad_x", "x", "scale"}}; }
};

struct GlobalAvgPoolCase {
  std::string name;
  std::int64_t batch, positions, channels;
  PrologueKind prologue = PrologueKind::kNone;
  kernels::Accumulate accumulate = kernels::Accumulate::kWrite;

  std::int64_t x_size() const { return batch * positions * channels; }
  double work() const { return static_cast<double>(x_size()); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", x_size())}, {"grad_y", random.values("grad_y", batch * channels)}};
    add_prologue_inputs(inputs, random, prologue, channels);
    if (accumulate == kernels::Accumulate::kAdd) inputs["grad_x_before"] = random.values("grad_x_before", x_size());
    return inputs;
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(batch * channels);
    w.table.global_avg_pool_forward(w.context,
                                    {batch, positions, channels, w.upload(inputs.at("x")), upload_prologue(w, inputs, prologue), y});
    return w.download(y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    T* grad_x = w.output(x_size(), accumulate, inputs, "grad_x_before");
    const T* x = has_relu(prologue) ? w.upload(inputs.at("x")) : nullptr;
    w.table.global_avg_pool_backward(w.context, {batch, positions, channels, w.upload(inputs.at("grad_y")), x,
                                                 upload_prologue(w, inputs, prologue), grad_x, accumulate});
    return {{"y", forward(w, inputs)}, {"grad_x", w.download(grad_x)}};
  }

  double terms(const std::string& result) const { return result == "y" ? static_cast<double>(positions) : 1; }
  std::vector<GradientOf> gradients() const { return {{"grad_x", "x", "scale"}}; }
};

inline std::vector<MaxPoolCase> max_pool_cases() {
  // {batch, height, width, channels, kernel, stride, padding, extra padding at the end}
  static const kernels::MaxPoolShape kShapes[] = {
      {1, 1, 1, 1, 1, 1, 0}, {2, 1, 1, 37, 3, 2, 1}, {1, 4, 6, 1, 2, 2, 0},     {2, 7, 5, 3, 2, 2, 0},
      {1, 9, 8, 6, 2, 2, 0}, {2, 7, 9, 24, 3, 2, 1}, {1, 6, 5, 37, 3, 1, 1},    {1, 5, 4, 728, 3, 2, 1},
      {1, 8, 9, 5, 5, 3, 2}, {1, 7, 7, 4, 2, 3, 0},  {1, 17, 18, 16, 16, 1, 0},
      {2, 8, 6, 24, 3, 2, 0, 1}, {1, 2, 4, 5, 3, 2, 0, 1}, {1, 7, 9, 11, 5, 2, 1, 1},
  };
  std::vector<MaxPoolCase> cases;
  for (const auto& s : kShapes) {
    for (const PrologueKind prologue : kAllPrologues) {
      for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
        cases.push_back({str("max_pool n", s.batch, " ", s.height, "x", s.width, " c", s.channels, " k", s.kernel, " s", s.stride, " p",
                             s.padding, s.extra_end ? "+1" : "", " ", describe(prologue), " ", describe(accumulate)),
                         s, prologue, accumulate});
      }
    }
  }
  return cases;
}

/// Windows with several maxima, zeros among them: the first in scan order must win on every backend.
inline std::vector<MaxPoolCase> max_pool_tie_cases() {
  std::vector<MaxPoolCase> cases;
  for (const PrologueKind prologue : kAllPrologues) {
    cases.push_back(
        {str("max_pool 2x2 with ties ", describe(prologue)), {2, 8, 10, 21, 2, 2, 0}, prologue, kernels::Accumulate::kWrite, true});
    cases.push_back(
        {str("max_pool 3x3 with ties ", describe(prologue)), {1, 9, 8, 24, 3, 2, 1}, prologue, kernels::Accumulate::kWrite, true});
  }
  return cases;
}

inline std::vector<GlobalAvgPoolCase> global_avg_pool_cases() {
  static constexpr std::int64_t kShapes[][3] = {{1, 1, 1}, {3, 1, 37}, {2, 64, 3}, {2, 9, 6}, {5, 16, 24}, {2, 49, 728}, {2, 256, 256}};
  std::vector<GlobalAvgPoolCase> cases;
  for (const auto& [batch, positions, channels] : kShapes) {
    for (const PrologueKind prologue : kAllPrologues) {
      for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
        cases.push_back(
            {str("global_avg_pool n", batch, " ", positions, " c", channels, " ", describe(prologue), " ", describe(accumulate)), batch,
             positions, channels, prologue, accumulate});
      }
    }
  }
  return cases;
}

/// Layers of the networks at their real sizes.
inline std::vector<MaxPoolCase> max_pool_layer_cases() {
  return {
      {"max_pool simplenet 1", {2, 250, 250, 6, 2, 2, 0}, PrologueKind::kRelu},
      {"max_pool simplenet 3", {2, 53, 53, 24, 2, 2, 0}, PrologueKind::kRelu},
      {"max_pool xception block 1", {1, 125, 125, 128, 3, 2, 1}, PrologueKind::kAffine},
  };
}

}  // namespace sepia::test
