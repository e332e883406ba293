// OpCases of the element-wise kernels.
#pragma once

#include <algorithm>

#include "tests/support/op_case.h"

namespace sepia::test {

/// The pending affine and ReLU carried out, and its backward.
struct AffineReluCase {
  std::string name;
  std::int64_t rows, channels;
  PrologueKind prologue;
  kernels::Accumulate accumulate;

  std::int64_t size() const { return rows * channels; }
  double work() const { return static_cast<double>(size()); }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", size())}, {"grad_y", random.values("grad_y", size())}};
    add_prologue_inputs(inputs, random, prologue, channels);
    if (accumulate == kernels::Accumulate::kAdd) inputs["grad_x_before"] = random.values("grad_x_before", size());
    return inputs;
  }

  template <class T>
  Array forward(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(size());
    w.table.affine_relu_forward(w.context, {rows, channels, w.upload(inputs.at("x")), upload_prologue(w, inputs, prologue), y});
    return w.download(y);
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    T* grad_x = w.output(size(), accumulate, inputs, "grad_x_before");
    w.table.affine_relu_backward(w.context, {rows, channels, w.upload(inputs.at("x")), upload_prologue(w, inputs, prologue),
                                             w.upload(inputs.at("grad_y")), grad_x, accumulate});
    return {{"y", forward(w, inputs)}, {"grad_x", w.download(grad_x)}};
  }

  double terms(const std::string&) const { return 1; }
  std::vector<GradientOf> gradients() const { return {{"grad_x", "x", "scale"}}; }
};

/// The sum of two branches, each with a prologue of its own.
struct AddCase {
  std::string name;
  std::int64_t rows, channels;
  PrologueKind prologue_a, prologue_b;

  std::int64_t size() const { return rows * channels; }

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"a", random.values("a", size())}, {"b", random.values("b", size())}};
    add_prologue_inputs(inputs, random, prologue_a, channels, "a_");
    add_prologue_inputs(inputs, random, prologue_b, channels, "b_");
    return inputs;
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(size());
    w.table.add_forward(w.context, {rows, channels, w.upload(inputs.at("a")), upload_prologue(w, inputs, prologue_a, "a_"),
                                    w.upload(inputs.at("b")), upload_prologue(w, inputs, prologue_b, "b_"), y});
    return {{"y", w.download(y)}};
  }

  double terms(const std::string&) const { return 1; }
};

struct AccumulateIntoCase {
  std::string name;
  std::int64_t count;
  kernels::Accumulate accumulate;

  Arrays inputs() const {
    const RandomArrays random(name);
    return {{"source", random.values("source", count)}, {"before", random.values("before", count)}};
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    T* destination = w.output(count, accumulate, inputs, "before");
    w.table.accumulate_into(w.context, {count, w.upload(inputs.at("source")), destination, accumulate});
    return {{"destination", w.download(destination)}};
  }

  double terms(const std::string&) const { return 1; }
};

struct ImagesToInputCase {
  std::string name;
  std::int64_t batch, height, width;
  std::array<double, 3> mean, std;
  std::int64_t source_height = 0, source_width = 0;  ///< 0: as y
  bool crop = false, flip = false;

  Arrays inputs() const {
    const std::int64_t rows = source_height ? source_height : height, columns = source_width ? source_width : width;
    const RandomArrays random(name);
    Arrays inputs{{"pixels", random.integers("pixels", batch * rows * columns * 3, 256)}};
    // Corners from 4 pixels outside the source to 4 short of leaving it on the other side.
    const auto corners = [&](const std::string& axis, std::int64_t room) {
      Array values = random.integers(axis, batch, static_cast<std::uint32_t>(room + 9));
      for (double& value : values) value -= 4;
      return values;
    };
    if (crop) {
      inputs["crop_y"] = corners("crop_y", std::max<std::int64_t>(0, rows - height));
      inputs["crop_x"] = corners("crop_x", std::max<std::int64_t>(0, columns - width));
    }
    if (flip) inputs["flip"] = random.integers("flip", batch, 2);
    return inputs;
  }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(batch * height * width * 3);
    w.table.images_to_input(w.context, {.batch = batch,
                                        .height = height,
                                        .width = width,
                                        .pixels = w.template upload<std::uint8_t>(inputs.at("pixels")),
                                        .mean = mean,
                                        .std = std,
                                        .y = y,
                                        .source_height = source_height,
                                        .source_width = source_width,
                                        .crop_y = w.template upload_if_present<std::int32_t>(inputs, "crop_y"),
                                        .crop_x = w.template upload_if_present<std::int32_t>(inputs, "crop_x"),
                                        .flip = w.template upload_if_present<std::uint8_t>(inputs, "flip")});
    return {{"y", w.download(y)}};
  }

  double terms(const std::string&) const { return 1; }
};

/// Pictures to what a blur takes away from them.
struct ImagesToResidualCase {
  std::string name;
  std::int64_t batch, height, width;
  std::uint32_t levels = 256;  ///< bytes are below it: few levels stay inside the clamp, many reach it

  Arrays inputs() const { return {{"pixels", RandomArrays(name).integers("pixels", batch * height * width * 3, levels)}}; }

  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    T* y = w.output(batch * height * width * 3);
    w.table.images_to_residual(w.context, {batch, height, width, w.template upload<std::uint8_t>(inputs.at("pixels")), y});
    return {{"y", w.download(y)}};
  }

  double terms(const std::string&) const { return 1; }
};

// {rows, channels}: one element, channels around and off the vector widths, more rows than one panel.
inline constexpr std::int64_t kElementwiseShapes[][2] = {{1, 1},   {3, 1},   {1, 37},  {5, 3},    {64, 6},
                                                         {17, 24}, {33, 37}, {2, 728}, {5000, 16}};

inline std::vector<AffineReluCase> affine_relu_cases() {
  std::vector<AffineReluCase> cases;
  for (const auto& [rows, channels] : kElementwiseShapes) {
    for (const PrologueKind prologue : kAllPrologues) {
      for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
        cases.push_back({str("affine_relu ", rows, "x", channels, " ", describe(prologue), " ", describe(accumulate)), rows, channels,
                         prologue, accumulate});
      }
    }
  }
  return cases;
}

inline std::vector<AddCase> add_cases() {
  std::vector<AddCase> cases;
  for (const auto& [rows, channels] : kElementwiseShapes) {
    for (const PrologueKind a : kAllPrologues) {
      for (const PrologueKind b : kAllPrologues) {
        cases.push_back({str("add ", rows, "x", channels, " ", describe(a), " and ", describe(b)), rows, channels, a, b});
      }
    }
  }
  return cases;
}

inline std::vector<AccumulateIntoCase> accumulate_into_cases() {
  std::vector<AccumulateIntoCase> cases;
  for (const std::int64_t count : {1, 2, 15, 64, 1001, 100'003}) {
    for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
      cases.push_back({str("accumulate_into ", count, " ", describe(accumulate)), count, accumulate});
    }
  }
  return cases;
}

inline std::vector<ImagesToInputCase> images_to_input_cases() {
  constexpr std::array<double, 3> kDocumentMean{0.4914, 0.4822, 0.4465}, kDocumentStd{0.2023, 0.1994, 0.2010}, kHalf{0.5, 0.5, 0.5};
  return {
      {"one pixel", 1, 1, 1, kDocumentMean, kDocumentStd},
      {"odd sizes", 3, 7, 5, kDocumentMean, kDocumentStd},
      {"xception's normalisation", 2, 9, 11, kHalf, kHalf},
      {"real size", 2, 256, 256, kDocumentMean, kDocumentStd},
      {"crop and flip", 5, 14, 10, kDocumentMean, kDocumentStd, 0, 0, true, true},
      {"crop of one row", 7, 1, 3, kHalf, kHalf, 0, 0, true, false},
      {"flip alone", 4, 5, 7, kHalf, kHalf, 0, 0, false, true},
      {"window of a larger source", 6, 9, 12, kDocumentMean, kDocumentStd, 21, 31, true, true},
      {"window of a smaller source", 4, 19, 17, kDocumentMean, kDocumentStd, 6, 5, true, true},
      {"corner of a larger source", 2, 4, 5, kHalf, kHalf, 7, 6, false, false},
      {"crop and flip, rows longer than a block", 2, 3, 1500, kHalf, kHalf, 0, 0, true, true},
      {"crop and flip at real size", 2, 256, 256, kDocumentMean, kDocumentStd, 0, 0, true, true},
  };
}

inline std::vector<ImagesToResidualCase> images_to_residual_cases() {
  return {{"one pixel", 2, 1, 1},       {"one row", 2, 1, 9, 40},          {"one column", 2, 9, 1, 40},      {"two by two", 3, 2, 2, 40},
          {"odd sizes", 3, 7, 5, 60},   {"noise, mostly clamped", 2, 9, 11}, {"rows longer than a block", 1, 3, 301, 50},
          {"real size", 2, 256, 256, 50}};
}

}  // namespace sepia::test
