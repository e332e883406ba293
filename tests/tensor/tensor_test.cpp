#include "engine/tensor/tensor.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/tensor/dispatch.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using test::error_of;
using test::kFloatCpu;

TEST(Tensor, CopiesReshapesAndSlicesShareMemoryAndCloneDoesNot) {
  const Tensor x = kFloatCpu.tensor({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor copy = x, turned = x.reshape({3, 2}), part = x.slice(2, {1, 2}), nested = part.slice(1, {1}), clone = x.clone();
  EXPECT_EQ(turned.shape(), Shape({3, 2}));
  EXPECT_EQ(part.data<float>(), x.data<float>() + 2);
  EXPECT_THAT(part.to_doubles(), ElementsAre(3, 4));
  nested.copy_from(kFloatCpu.tensor({40}, {1}));
  EXPECT_THAT(copy.to_doubles(), ElementsAre(1, 2, 3, 40, 5, 6));
  EXPECT_THAT(clone.to_doubles(), ElementsAre(1, 2, 3, 4, 5, 6));
  part.zero();
  EXPECT_THAT(x.to_doubles(), ElementsAre(1, 2, 0, 0, 5, 6)) << "zero() of a slice reaches no further than the slice";
}

TEST(Tensor, SoleOwnerCountsEveryShareOfTheMemory) {
  Tensor x = Tensor::zeros({4}, DType::kF32, kCpuDevice);
  EXPECT_TRUE(x.sole_owner());
  EXPECT_FALSE(Tensor().sole_owner());
  {
    const Tensor slice = x.slice(1, {2});
    EXPECT_FALSE(x.sole_owner());
    EXPECT_FALSE(slice.sole_owner());
  }
  EXPECT_TRUE(x.sole_owner());
  const Tensor moved = std::move(x);
  EXPECT_TRUE(moved.sole_owner());
}

TEST(Tensor, AViewOfTheHostsMemorySharesItAndLeavesItToItsOwner) {
  std::vector<float> owner{1, 2, 3, 4, 5, 6};
  const ArenaStatistics before = arena_of(kCpuDevice)->statistics();
  {
    const Tensor view = Tensor::view_of_host<float>(owner, {2, 3}, kCpuDevice), part = view.slice(4, {2}), turned = view.reshape({3, 2});
    EXPECT_EQ(view.data<float>(), owner.data());
    EXPECT_EQ(turned.data<float>(), owner.data());
    EXPECT_EQ(view.shape(), Shape({2, 3}));
    EXPECT_EQ(view.dtype(), DType::kF32);
    EXPECT_EQ(view.device(), kCpuDevice);
    owner[4] = 50;
    EXPECT_THAT(part.to_doubles(), ElementsAre(50, 6));
    EXPECT_NE(view.clone().data<float>(), owner.data());
    EXPECT_EQ(Tensor::view_of_host<float>(owner, {6}, kReferenceDevice).device(), kReferenceDevice);
  }
  EXPECT_THAT(owner, ElementsAre(1, 2, 3, 4, 50, 6)) << "the views are gone, the memory is not";
  const Tensor ended = [&] { return Tensor::view_of_host<float>(std::vector<float>(4), {4}, kCpuDevice); }();
  EXPECT_TRUE(ended.defined()) << "a view may outlive the memory as long as nobody reads it";
  EXPECT_EQ(arena_of(kCpuDevice)->statistics().source_allocations, before.source_allocations + 1) << "the clone's";
}

TEST(Tensor, RefusesAViewThatDoesNotFitOrIsNotOnTheHost) {
  const std::vector<std::uint8_t> bytes(5);
  EXPECT_THAT(error_of([&] { (void)Tensor::view_of_host<std::uint8_t>(bytes, {2, 3}, kCpuDevice); }, ErrorKind::kInternal),
              HasSubstr("[view] 5 values of host memory as (2, 3) on cpu"));
  EXPECT_THAT(error_of([&] { (void)Tensor::view_of_host<std::uint8_t>(bytes, {4}, kCpuDevice); }, ErrorKind::kInternal), HasSubstr("[view] 5 values"));
  EXPECT_THAT(error_of([&] { (void)Tensor::view_of_host<std::uint8_t>(bytes, {5}, {DeviceKind::kCuda, 0}); }, ErrorKind::kInternal), HasSubstr("on cuda:0"));
}

TEST(Tensor, RefusesShapesThatDoNotFit) {
  const Tensor x = Tensor::zeros({2, 3}, DType::kF32, kCpuDevice);
  EXPECT_THAT(error_of([&] { (void)x.reshape({4, 2}); }), HasSubstr("(2, 3) has 6 elements, (4, 2) has 8"));
  EXPECT_THAT(error_of([&] { (void)x.slice(4, {3}); }, ErrorKind::kInternal), HasSubstr("elements 4 to 7 of 6"));
  EXPECT_THAT(error_of([&] { (void)x.slice(-1, {1}); }, ErrorKind::kInternal), HasSubstr("[slice]"));
  EXPECT_THAT(error_of([&] { (void)x.item(); }, ErrorKind::kInternal), HasSubstr("item() of (2, 3)"));
  EXPECT_THAT(error_of([&] { x.copy_from(Tensor::zeros({3, 2}, DType::kF32, kCpuDevice)); }, ErrorKind::kInternal), HasSubstr("[copy] from f32 (3, 2) to f32 (2, 3)"));
  const std::vector<float> three(3);
  EXPECT_THAT(error_of([&] { (void)Tensor::from_host<float>(three, {4}, kCpuDevice); }, ErrorKind::kInternal), HasSubstr("12 host bytes into 16"));
}

TEST(Tensor, RefusesOtherTypesAndUndefinedTensors) {
  const Tensor x = Tensor::zeros({2}, DType::kF32, kCpuDevice);
  EXPECT_THAT(error_of([&] { (void)x.data<double>(); }, ErrorKind::kInternal), HasSubstr("holds f32, not f64"));
  EXPECT_THAT(error_of([&] { (void)x.to_host<std::int32_t>(); }, ErrorKind::kInternal), HasSubstr("holds f32, not i32"));
  EXPECT_THAT(error_of([&] { (void)Tensor::zeros({2}, DType::kU8, kCpuDevice).to_doubles(); }, ErrorKind::kInternal), HasSubstr("u8 is no floating type"));
  EXPECT_THAT(error_of([] { (void)Tensor().raw(); }, ErrorKind::kInternal), HasSubstr("undefined"));
  EXPECT_EQ(Tensor().data_or_null<float>(), nullptr);
  EXPECT_THAT(error_of([&] { dispatch(Tensor::zeros({2}, DType::kF64, kCpuDevice), [](const auto&) {}); }), HasSubstr("device cpu has no f64 kernels"));
}

TEST(Tensor, ADeviceThatIsNotThereIsRefusedEvenAfterOthersWereUsed) {
  const Tensor used = Tensor::zeros({2}, DType::kF32, kCpuDevice);
  EXPECT_THAT(error_of([] { (void)Tensor::empty({2}, DType::kF32, {DeviceKind::kCuda, 999}); }), HasSubstr("--device cuda:999: "));
}

TEST(Tensor, AnEmptyTensorIsATensor) {
  const Tensor x = Tensor::zeros({0, 3}, DType::kF32, kCpuDevice);
  EXPECT_TRUE(x.defined());
  EXPECT_TRUE(x.clone().to_doubles().empty());
  EXPECT_EQ(x.reshape({3, 0}).numel(), 0);
}

TEST(Tensor, BF16RoundsToNearestEvenAndKeepsNaNAndInfinity) {
  constexpr double kUlp = 1.0 / 128;  // of bf16 in [1, 2)
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const std::vector<double> values{1 + kUlp / 2, 1 + 1.5 * kUlp, 1 + 0.51 * kUlp, -1 - 0.49 * kUlp, 3.4e38, -kInf, -0.0, std::nan("")};
  const std::vector<double> rounded = tensor_from_doubles(values, {8}, DType::kBF16, kCpuDevice).to_doubles();
  EXPECT_THAT(std::vector<double>(rounded.begin(), rounded.end() - 1), ElementsAre(1, 1 + 2 * kUlp, 1 + kUlp, -1, kInf, -kInf, 0));
  EXPECT_TRUE(std::signbit(rounded[6]));
  EXPECT_TRUE(std::isnan(rounded[7]));
  EXPECT_EQ(Tensor::zeros({8}, DType::kBF16, kCpuDevice).bytes(), 16u);
}

}  // namespace
}  // namespace sepia
