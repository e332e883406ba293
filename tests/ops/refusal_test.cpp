// One error per check: what each op says when shapes, types, devices or parameters do not fit.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flat.h"
#include "engine/ops/flatten.h"
#include "engine/ops/images.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

Variable v(const Shape& shape, Device device = kCpuDevice, DType dtype = DType::kF32) { return Variable(Tensor::zeros(shape, dtype, device)); }
Variable on_reference(const Shape& shape) { return v(shape, kReferenceDevice); }
Variable in_double(const Shape& shape) { return v(shape, kReferenceDevice, DType::kF64); }
const Variable kNone;

Tensor labels(const std::vector<std::int32_t>& values, Device device = kCpuDevice) {
  return Tensor::from_host<std::int32_t>(values, {static_cast<std::int64_t>(values.size())}, device);
}

ops::BatchNormBuffers buffers(std::int64_t channels) {
  const auto t = [&] { return Tensor::zeros({channels}, DType::kF32, kCpuDevice); };
  return {.running_mean = t(), .running_variance = t(), .step_mean = t(), .step_variance = t()};
}
constexpr auto kBatch = ops::BatchNormMode::kBatch;

struct Refusal {
  const char* message;
  std::function<void()> call;
};

const Refusal kRefusals[] = {
    {"[conv2d] input must be (N, H, W, C), got (4, 4, 3)", [] { ops::conv2d(v({4, 4, 3}), v({2, 3, 3, 3}), kNone, {}); }},
    {"[conv2d] weight must be (K, R, S, C), got (2, 3, 3)", [] { ops::conv2d(v({1, 4, 4, 3}), v({2, 3, 3}), kNone, {}); }},
    {"[conv2d] input has 3 channels, weight expects 4", [] { ops::conv2d(v({1, 4, 4, 3}), v({2, 3, 3, 4}), kNone, {}); }},
    {"[conv2d] bias must be (2), got (3)", [] { ops::conv2d(v({1, 4, 4, 3}), v({2, 3, 3, 3}), v({3}), {}); }},
    {"[conv2d] stride must be at least 1", [] { ops::conv2d(v({1, 4, 4, 3}), v({2, 3, 3, 3}), kNone, {.stride = 0}); }},
    {"[conv2d] stride must be at least 1 and padding at least 0", [] { ops::conv2d(v({1, 4, 4, 3}), v({2, 3, 3, 3}), kNone, {.padding = -1}); }},
    {"[conv2d] a 3x3 kernel does not fit a picture of 2x4", [] { ops::conv2d(v({1, 2, 4, 3}), v({2, 3, 3, 3}), kNone, {}); }},
    {"[conv2d] input is on cpu, parameters are on reference", [] { ops::conv2d(v({1, 4, 4, 3}), on_reference({2, 3, 3, 3}), kNone, {}); }},
    {"[conv2d] input is on cpu, parameters are on reference", [] { ops::conv2d(v({1, 4, 4, 3}), v({2, 3, 3, 3}), on_reference({2}), {}); }},
    {"[conv2d] input is f64, weight is f32", [] { ops::conv2d(in_double({1, 4, 4, 3}), on_reference({2, 3, 3, 3}), kNone, {}); }},
    {"[conv2d] input is f64, so bias must be f64, got f32", [] { ops::conv2d(in_double({1, 4, 4, 3}), in_double({2, 3, 3, 3}), on_reference({2}), {}); }},

    {"[depthwise_conv] input must be (N, H, W, C), got (3)", [] { ops::depthwise_conv(v({3}), v({3, 3, 3}), kNone, {}); }},
    {"[depthwise_conv] weight must be (R, S, C), got (3, 3)", [] { ops::depthwise_conv(v({1, 4, 4, 3}), v({3, 3}), kNone, {}); }},
    {"[depthwise_conv] input has 3 channels, weight expects 2", [] { ops::depthwise_conv(v({1, 4, 4, 3}), v({3, 3, 2}), kNone, {}); }},
    {"[depthwise_conv] bias must be (3), got (1)", [] { ops::depthwise_conv(v({1, 4, 4, 3}), v({3, 3, 3}), v({1}), {}); }},
    {"[depthwise_conv] stride must be at least 1", [] { ops::depthwise_conv(v({1, 4, 4, 3}), v({3, 3, 3}), kNone, {.stride = -1}); }},
    {"[depthwise_conv] a 5x5 kernel does not fit a picture of 2x4", [] { ops::depthwise_conv(v({1, 2, 4, 3}), v({5, 5, 3}), kNone, {}); }},
    {"[depthwise_conv] input is on cpu, parameters are on reference", [] { ops::depthwise_conv(v({1, 4, 4, 3}), on_reference({3, 3, 3}), kNone, {}); }},
    {"[depthwise_conv] input is f64, weight is f32", [] { ops::depthwise_conv(in_double({1, 4, 4, 3}), on_reference({3, 3, 3}), kNone, {}); }},

    {"[linear] input must have rows and features, got (3)", [] { ops::linear(v({3}), v({2, 3}), kNone); }},
    {"[linear] input must have rows and features, got (3, 0)", [] { ops::linear(v({3, 0}), v({2, 0}), kNone); }},
    {"[linear] weight must be (O, I), got (3)", [] { ops::linear(v({1, 3}), v({3}), kNone); }},
    {"[linear] input has 3 features, weight expects 4", [] { ops::linear(v({1, 3}), v({2, 4}), kNone); }},
    {"[linear] bias must be (2), got (2, 1)", [] { ops::linear(v({1, 3}), v({2, 3}), v({2, 1})); }},
    {"[linear] input is on cpu, parameters are on reference", [] { ops::linear(v({1, 3}), on_reference({2, 3}), kNone); }},
    {"[linear] input is f64, weight is f32", [] { ops::linear(in_double({1, 3}), on_reference({2, 3}), kNone); }},

    {"[batch_norm] input must be (..., C), got (3)", [] { ops::batch_norm(v({3}), v({3}), v({3}), buffers(3), kBatch); }},
    {"[batch_norm] input must be (..., C), got (3, 0)", [] { ops::batch_norm(v({3, 0}), v({0}), v({0}), buffers(0), kBatch); }},
    {"[batch_norm] gamma must be (3), got (2)", [] { ops::batch_norm(v({4, 3}), v({2}), v({3}), buffers(3), kBatch); }},
    {"[batch_norm] beta must be (3), got (2)", [] { ops::batch_norm(v({4, 3}), v({3}), v({2}), buffers(3), kBatch); }},
    {"[batch_norm] running_mean must be (3), got (2)", [] { ops::batch_norm(v({4, 3}), v({3}), v({3}), buffers(2), kBatch); }},
    {"[batch_norm] training needs more than one value per channel, got input (1, 1, 1, 3)", [] { ops::batch_norm(v({1, 1, 1, 3}), v({3}), v({3}), buffers(3), kBatch); }},
    {"[batch_norm] input is on cpu, parameters are on reference", [] { ops::batch_norm(v({4, 3}), v({3}), on_reference({3}), buffers(3), kBatch); }},
    {"[batch_norm] input is f64, so gamma and beta must be f64, got f32", [] { ops::batch_norm(in_double({4, 3}), on_reference({3}), on_reference({3}), buffers(3), kBatch); }},

    {"[max_pool] input must be (N, H, W, C), got (4, 4)", [] { ops::max_pool(v({4, 4}), {}); }},
    {"[max_pool] needs 1 <= kernel <= 16", [] { ops::max_pool(v({1, 32, 32, 1}), {.kernel = 17}); }},
    {"[max_pool] needs 1 <= kernel <= 16, stride >= 1, 0 <= padding <= kernel/2", [] { ops::max_pool(v({1, 4, 4, 1}), {.kernel = 3, .stride = 2, .padding = 2}); }},
    {"[max_pool] a window of 3 does not fit a picture of 2x9", [] { ops::max_pool(v({1, 2, 9, 1}), {.kernel = 3}); }},
    {"[global_avg_pool] input must be (N, H, W, C), got (4, 4)", [] { ops::global_avg_pool(v({4, 4})); }},
    {"[global_avg_pool] input must be (N, H, W, C), got (1, 0, 4, 2)", [] { ops::global_avg_pool(v({1, 0, 4, 2})); }},

    {"[add] needs equal shapes and types, got f32 (2, 3) and f32 (3, 2)", [] { ops::add(v({2, 3}), v({3, 2})); }},
    {"[add] needs equal shapes and types, got f32 (2) and f64 (2)", [] { ops::add(on_reference({2}), in_double({2})); }},
    {"[add] input is on cpu", [] { ops::add(v({2}), on_reference({2})); }},
    {"[flatten] input must have rows, got ()", [] { ops::flatten(v({})); }},

    {"[cross_entropy] logits must be (N, K), got (2)", [] { ops::cross_entropy(v({2}), labels({0, 1})); }},
    {"[cross_entropy] logits must be (N, K), got (0, 2)", [] { ops::cross_entropy(v({0, 2}), labels({})); }},
    {"[cross_entropy] labels must be (2) i32, got (3) i32", [] { ops::cross_entropy(v({2, 2}), labels({0, 1, 0})); }},
    {"[cross_entropy] labels must be (2) i32, got (2) f32", [] { ops::cross_entropy(v({2, 2}), v({2}).value()); }},
    {"[cross_entropy] label 2 is outside 0 to 1", [] { ops::cross_entropy(v({2, 2}), labels({0, 2})); }},
    {"[cross_entropy] label -1 is outside 0 to 1", [] { ops::cross_entropy(v({2, 2}), labels({-1, 0})); }},
    {"[cross_entropy] logits are on cpu, labels are on reference", [] { ops::cross_entropy(v({2, 2}), labels({0, 1}, kReferenceDevice)); }},
    {"[cross_entropy] label smoothing must be in [0, 1), got 1", [] { ops::cross_entropy(v({2, 2}), labels({0, 1}), {.class_weights = {}, .smoothing = 1}); }},
    {"[cross_entropy] class weights must be (2), got (3)", [] { ops::cross_entropy(v({2, 2}), labels({0, 1}), {.class_weights = v({3}).value()}); }},
    {"[softmax] input must be (N, K), got (2, 2, 2)", [] { ops::softmax(v({2, 2, 2})); }},

    {"[images_to_input] pixels must be (N, H, W, 3) u8, got (1, 2, 2, 4) u8", [] { ops::images_to_input(Tensor::zeros({1, 2, 2, 4}, DType::kU8, kCpuDevice), {}, DType::kF32); }},
    {"[images_to_input] pixels must be (N, H, W, 3) u8, got (1, 2, 2, 3) f32", [] { ops::images_to_input(v({1, 2, 2, 3}).value(), {}, DType::kF32); }},
    {"[images_to_input] std must be positive, got nan",
     [] { ops::images_to_input(Tensor::zeros({1, 2, 2, 3}, DType::kU8, kCpuDevice), {.std = {1, std::nan(""), 1}}, DType::kF32); }},
};

TEST(Refusals, EveryCheckSaysWhatAndWhere) {
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(refusal.message);
    EXPECT_THAT(test::error_of(refusal.call), ::testing::HasSubstr(refusal.message));
  }
}

TEST(Refusals, FlatOperationsNeedMasterTypesAndEqualSizes) {
  using ::testing::HasSubstr;
  const Tensor two = Tensor::zeros({2}, DType::kF32, kCpuDevice), three = Tensor::zeros({3}, DType::kF32, kCpuDevice);
  EXPECT_THAT(test::error_of([&] { ops::lerp(two, three, 0.5); }, ErrorKind::kInternal), HasSubstr("[lerp] from (3) to (2)"));
  EXPECT_THAT(test::error_of([&] { (void)ops::sum_of_squared_differences(three, two); }, ErrorKind::kInternal), HasSubstr("difference of (3) and (2)"));
}

TEST(Flat, FiguresOfAnArena) {
  for (const test::Place& place : test::kPlaces) {
    const Tensor x = place.tensor({3, -4, 0, 1}, {4}), y = place.tensor({1, -4, 0, 2}, {4});
    EXPECT_EQ(ops::sum_of_squares(x), 26);
    EXPECT_EQ(ops::sum_of_squared_differences(x, y), 5);
    EXPECT_EQ(ops::first_nonfinite(x), -1);
    EXPECT_EQ(ops::first_nonfinite(place.tensor({0, 0, INFINITY, std::nan("")}, {4})), 2);
    EXPECT_EQ(ops::first_nonfinite(place.tensor({0, std::nan(""), INFINITY, 0}, {4})), 1);
    ops::lerp(x, y, 0.25);
    EXPECT_EQ(x.to_doubles(), (test::Array{2.5, -4, 0, 1.25}));
  }
}

}  // namespace
}  // namespace sepia
