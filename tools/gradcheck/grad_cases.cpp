// The operations at small shapes: odd sizes, one-pixel pictures, strides and padding, and each with an affine map and a ReLU
// pending on its input, since that is another path through the kernels.
#include <array>
#include <span>

#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flatten.h"
#include "engine/ops/linear.h"
#include "engine/ops/materialise.h"
#include "engine/ops/pooling.h"
#include "tools/gradcheck/grad_case.h"

namespace sepia::tools {
namespace {

using Variables = std::vector<Variable>;

Tensor constant(const std::vector<double>& values) {
  return Tensor::from_host<double>(values, Shape({static_cast<std::int64_t>(values.size())}), kReferenceDevice);
}

/// Batch norm of x with fresh buffers; running statistics differ from the batch's, so that mixing them up shows.
Variable normalised(const Variable& x, const Variable& gamma, const Variable& beta, ops::BatchNormMode mode) {
  const Shape channels({x.shape()[-1]});
  const auto count = static_cast<std::size_t>(channels.numel());
  const ops::BatchNormBuffers buffers{.running_mean = constant(std::vector<double>(count, 0.3)),
                                      .running_variance = constant(std::vector<double>(count, 0.7)),
                                      .step_mean = Tensor::zeros(channels, DType::kF64, kReferenceDevice),
                                      .step_variance = Tensor::zeros(channels, DType::kF64, kReferenceDevice)};
  return ops::batch_norm(x, gamma, beta, buffers, mode);
}

/// relu(batch_norm(x)), not carried out: the next op applies it on load.
Variable pending(const Variable& x, const Variable& gamma, const Variable& beta) {
  return ops::relu(normalised(x, gamma, beta, ops::BatchNormMode::kBatch));
}

GradInput gamma_of(std::int64_t channels) { return {"gamma", Shape({channels}), 0.5, 1.5}; }
GradInput beta_of(std::int64_t channels) { return {"beta", Shape({channels})}; }

void add_conv2d(std::vector<GradCase>& cases) {
  struct Setting {
    const char* name;
    Shape x, weight;
    ops::Conv2dParams params;
  };
  const std::array<Setting, 3> settings = {{
      {"2x6x5x3, 3x3", Shape({2, 6, 5, 3}), Shape({4, 3, 3, 3}), {.stride = 1, .padding = 0}},
      {"1x7x6x2, 3x3 stride 2 padding 1", Shape({1, 7, 6, 2}), Shape({3, 3, 3, 2}), {.stride = 2, .padding = 1}},
      {"2x1x1x5, 1x1", Shape({2, 1, 1, 5}), Shape({3, 1, 1, 5}), {.stride = 1, .padding = 0}},
  }};
  for (const Setting& s : settings) {
    const ops::Conv2dParams params = s.params;
    const std::int64_t filters = s.weight[0];
    cases.push_back({"conv2d", s.name, {{"x", s.x}, {"weight", s.weight}, {"bias", Shape({filters})}},
                     [params](const Variables& in) { return ops::conv2d(in[0], in[1], in[2], params); }});
  }
  cases.push_back({"conv2d", "2x5x5x3, 3x3 padding 1, on relu(batch_norm(x))",
                   {{"x", Shape({2, 5, 5, 3})}, gamma_of(3), beta_of(3), {"weight", Shape({2, 3, 3, 3})}},
                   [](const Variables& in) {
                     return ops::conv2d(pending(in[0], in[1], in[2]), in[3], Variable(), {.stride = 1, .padding = 1});
                   }});
}

void add_depthwise_conv(std::vector<GradCase>& cases) {
  for (const int stride : {1, 2}) {
    cases.push_back({"depthwise_conv", "2x6x5x3, 3x3 padding 1 stride " + std::to_string(stride),
                     {{"x", Shape({2, 6, 5, 3})}, {"weight", Shape({3, 3, 3})}, {"bias", Shape({3})}},
                     [stride](const Variables& in) { return ops::depthwise_conv(in[0], in[1], in[2], {.stride = stride, .padding = 1}); }});
  }
  cases.push_back({"depthwise_conv", "2x5x4x3, on relu(batch_norm(x))",
                   {{"x", Shape({2, 5, 4, 3})}, gamma_of(3), beta_of(3), {"weight", Shape({3, 3, 3})}},
                   [](const Variables& in) { return ops::depthwise_conv(pending(in[0], in[1], in[2]), in[3], Variable(), {}); }});
}

void add_linear(std::vector<GradCase>& cases) {
  cases.push_back({"linear", "3x5 -> 4", {{"x", Shape({3, 5})}, {"weight", Shape({4, 5})}, {"bias", Shape({4})}},
                   [](const Variables& in) { return ops::linear(in[0], in[1], in[2]); }});
  cases.push_back({"linear", "pointwise 2x3x3x4 -> 5, on relu(batch_norm(x))",
                   {{"x", Shape({2, 3, 3, 4})}, gamma_of(4), beta_of(4), {"weight", Shape({5, 4})}},
                   [](const Variables& in) { return ops::linear(pending(in[0], in[1], in[2]), in[3], Variable()); }});
}

/// What a linear map does with a depthwise convolution that was left pending.
void add_separable_conv(std::vector<GradCase>& cases) {
  for (const int stride : {1, 2}) {
    cases.push_back({"separable_conv", "2x6x5x3 -> 4, 3x3 padding 1 stride " + std::to_string(stride),
                     {{"x", Shape({2, 6, 5, 3})}, {"depthwise", Shape({3, 3, 3})}, {"depthwise bias", Shape({3})}, {"pointwise", Shape({4, 3})}, {"bias", Shape({4})}},
                     [stride](const Variables& in) {
                       return ops::linear(ops::depthwise_conv(in[0], in[1], in[2], {.stride = stride, .recompute = true}), in[3], in[4]);
                     }});
  }
  cases.push_back({"separable_conv", "2x5x4x3 -> 2, on relu(batch_norm(x))",
                   {{"x", Shape({2, 5, 4, 3})}, gamma_of(3), beta_of(3), {"depthwise", Shape({3, 3, 3})}, {"pointwise", Shape({2, 3})}},
                   [](const Variables& in) {
                     return ops::linear(ops::depthwise_conv(pending(in[0], in[1], in[2]), in[3], Variable(), {.recompute = true}), in[4], Variable());
                   }});
}

void add_batch_norm(std::vector<GradCase>& cases) {
  const std::vector<GradInput> inputs = {{"x", Shape({2, 3, 4, 3})}, gamma_of(3), beta_of(3)};
  cases.push_back({"batch_norm", "batch statistics", inputs,
                   [](const Variables& in) { return normalised(in[0], in[1], in[2], ops::BatchNormMode::kBatch); }});
  cases.push_back({"batch_norm", "running statistics", inputs,
                   [](const Variables& in) { return normalised(in[0], in[1], in[2], ops::BatchNormMode::kRunning); }});
  cases.push_back({"batch_norm", "batch statistics, then relu", inputs, [](const Variables& in) { return pending(in[0], in[1], in[2]); }});
}

void add_pooling(std::vector<GradCase>& cases) {
  cases.push_back({"global_avg_pool", "2x3x5x4", {{"x", Shape({2, 3, 5, 4})}}, [](const Variables& in) { return ops::global_avg_pool(in[0]); }});
  cases.push_back({"global_avg_pool", "2x4x4x3, on relu(batch_norm(x))", {{"x", Shape({2, 4, 4, 3})}, gamma_of(3), beta_of(3)},
                   [](const Variables& in) { return ops::global_avg_pool(pending(in[0], in[1], in[2])); }});
  cases.push_back({"max_pool", "2x6x6x3, 2x2 stride 2", {{"x", Shape({2, 6, 6, 3})}}, [](const Variables& in) { return ops::max_pool(in[0], {}); }});
  cases.push_back({"max_pool", "1x7x5x2, overlapping 3x3 stride 2 padding 1", {{"x", Shape({1, 7, 5, 2})}},
                   [](const Variables& in) { return ops::max_pool(in[0], {.kernel = 3, .stride = 2, .padding = 1}); }});
  cases.push_back({"max_pool", "2x4x4x3, on relu(batch_norm(x))", {{"x", Shape({2, 4, 4, 3})}, gamma_of(3), beta_of(3)},
                   [](const Variables& in) { return ops::max_pool(pending(in[0], in[1], in[2]), {}); }});
}

void add_losses(std::vector<GradCase>& cases) {
  const std::vector<GradInput> inputs = {{"logits", Shape({4, 3}), -3.0, 3.0}};
  const auto labels = [] {
    const std::array<std::int32_t, 4> values = {0, 2, 1, 2};
    return Tensor::from_host<std::int32_t>(values, Shape({4}), kReferenceDevice);
  };
  cases.push_back({"cross_entropy", "4x3", inputs, [labels](const Variables& in) { return ops::cross_entropy(in[0], labels()); }});
  cases.push_back({"cross_entropy", "4x3, class weights and smoothing 0.1", inputs, [labels](const Variables& in) {
                     return ops::cross_entropy(in[0], labels(), {.class_weights = constant({0.5, 1.0, 2.0}), .smoothing = 0.1});
                   }});
  cases.push_back({"softmax", "4x3", inputs, [](const Variables& in) { return ops::softmax(in[0]); }});
}

void add_elementwise(std::vector<GradCase>& cases) {
  cases.push_back({"relu", "2x3x3x2", {{"x", Shape({2, 3, 3, 2})}}, [](const Variables& in) { return ops::relu(in[0]); }});
  cases.push_back({"relu", "a value used twice", {{"x", Shape({5, 3})}},
                   [](const Variables& in) { return ops::add(ops::relu(in[0]), in[0]); }});
}

}  // namespace

const std::vector<GradCase>& grad_cases() {
  static const std::vector<GradCase> all = [] {
    std::vector<GradCase> cases;
    cases.push_back({"add", "2x3x3x2", {{"a", Shape({2, 3, 3, 2})}, {"b", Shape({2, 3, 3, 2})}},
                     [](const Variables& in) { return ops::add(in[0], in[1]); }});
    cases.push_back({"add", "relu(batch_norm(a)) + b", {{"a", Shape({2, 3, 3, 2})}, gamma_of(2), beta_of(2), {"b", Shape({2, 3, 3, 2})}},
                     [](const Variables& in) { return ops::add(pending(in[0], in[1], in[2]), in[3]); }});
    add_batch_norm(cases);
    add_conv2d(cases);
    add_losses(cases);
    add_depthwise_conv(cases);
    cases.push_back({"flatten", "2x3x2x2", {{"x", Shape({2, 3, 2, 2})}}, [](const Variables& in) { return ops::flatten(in[0]); }});
    add_linear(cases);
    add_pooling(cases);
    add_separable_conv(cases);
    add_elementwise(cases);
    return cases;
  }();
  return all;
}

}  // namespace sepia::tools
