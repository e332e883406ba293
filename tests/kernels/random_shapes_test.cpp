// CPU kernels against the reference on shapes that nobody chose. A kernel takes different paths for different shapes, and the
// lists of cases know today's paths only. SEPIA_RANDOM_SHAPES=N tries N shapes per op (default 60), SEPIA_RANDOM_SEED=S others.
#include <cstdlib>

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_batch_norm.h"
#include "tests/support/op_cases_conv2d.h"
#include "tests/support/op_cases_depthwise_conv.h"
#include "tests/support/op_cases_linear.h"
#include "tests/support/op_cases_pooling.h"
#include "tests/support/op_checks.h"

namespace sepia::test {
namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : otherwise;
}

/// Draws what a shape is made of; sizes are small often and large sometimes.
class Dice {
 public:
  Dice(std::uint32_t op, std::uint32_t number) : random_(setting("SEPIA_RANDOM_SEED", 1), RandomPurpose::kTest, op, number) {}

  std::int64_t between(std::int64_t low, std::int64_t high) { return low + random_.below(static_cast<std::uint32_t>(high - low + 1)); }
  std::int64_t size(std::int64_t largest) { return between(1, between(0, 2) == 0 ? largest : std::max<std::int64_t>(1, largest / 3)); }
  std::int64_t channels(std::int64_t largest) {
    constexpr std::int64_t kUsual[] = {1, 2, 3, 4, 6, 8, 16, 24, 32, 33, 64};
    return between(0, 1) ? size(largest) : std::min(largest, kUsual[between(0, std::ssize(kUsual) - 1)]);
  }
  PrologueKind prologue() { return kAllPrologues[between(0, 3)]; }
  kernels::Accumulate accumulate() { return between(0, 1) ? kernels::Accumulate::kAdd : kernels::Accumulate::kWrite; }
  bool coin() { return between(0, 1) == 1; }

 private:
  RandomStream random_;
};

/// Makes cases with `draw` and holds the CPU to the reference and to itself with 1 and 3 threads.
template <class Draw>
void try_random_shapes(std::uint32_t op, Draw draw) {
  const std::uint64_t count = setting("SEPIA_RANDOM_SHAPES", 60);
  for (std::uint32_t number = 0; number < count && !testing::Test::HasFailure(); ++number) {
    Dice dice(op, number);
    const auto op_case = draw(dice, str("random shape ", number, ": "));
    expect_matches_reference<float>(std::vector{op_case}, cpu_table());
    if (number % 8 == 0) expect_same_for_any_threads(std::vector{op_case}, cpu_table());
  }
}

TEST(CpuOnRandomShapes, Conv2d) {
  try_random_shapes(1, [](Dice& dice, const std::string& name) {
    kernels::Conv2dShape s{dice.between(1, 3), dice.size(80), dice.size(80), dice.channels(40), dice.channels(40)};
    s.kernel_h = dice.between(1, 7);
    s.kernel_w = dice.coin() ? s.kernel_h : dice.between(1, 7);
    s.stride = dice.between(1, 3);
    s.padding = dice.between(0, std::max(s.kernel_h, s.kernel_w));
    s.height = std::max(s.height, s.kernel_h - 2 * s.padding);
    s.width = std::max(s.width, s.kernel_w - 2 * s.padding);
    return Conv2dCase{str(name, s.batch, " x ", s.height, " x ", s.width, ", ", s.in_channels, " -> ", s.out_channels, ", ", s.kernel_h,
                          " x ", s.kernel_w, " stride ", s.stride, " padding ", s.padding),
                      s, dice.prologue(), dice.accumulate(), dice.coin()};
  });
}

TEST(CpuOnRandomShapes, DepthwiseConv) {
  try_random_shapes(2, [](Dice& dice, const std::string& name) {
    kernels::DepthwiseConvShape s{dice.between(1, 3), dice.size(60), dice.size(60), dice.channels(200)};
    s.kernel_h = dice.coin() ? 3 : dice.between(1, 7);
    s.kernel_w = dice.between(0, 3) ? s.kernel_h : dice.between(1, 7);
    s.stride = dice.between(1, 3);
    s.padding = dice.between(0, std::max(s.kernel_h, s.kernel_w));
    s.height = std::max(s.height, s.kernel_h - 2 * s.padding);
    s.width = std::max(s.width, s.kernel_w - 2 * s.padding);
    return DepthwiseConvCase{str(name, s.batch, " x ", s.height, " x ", s.width, " x ", s.channels, ", ", s.kernel_h, " x ", s.kernel_w,
                                 " stride ", s.stride, " padding ", s.padding),
                             s,
                             dice.prologue(),
                             dice.accumulate(),
                             dice.coin(),
                             dice.between(0, 4) > 0,
                             dice.between(0, 4) > 0};
  });
}

TEST(CpuOnRandomShapes, Linear) {
  try_random_shapes(3, [](Dice& dice, const std::string& name) {
    const kernels::LinearShape s{dice.size(3000), dice.channels(300), dice.channels(300)};
    return LinearCase{str(name, s.rows, " rows, ", s.in_features, " -> ", s.out_features), s, dice.prologue(), dice.accumulate(),
                      dice.coin()};
  });
}

TEST(CpuOnRandomShapes, BatchNorm) {
  try_random_shapes(4, [](Dice& dice, const std::string& name) {
    const kernels::BatchNormShape s{1 + dice.size(6000), dice.channels(300)};
    return BatchNormCase{str(name, s.rows, " x ", s.channels), s, dice.coin(), dice.accumulate()};
  });
}

TEST(CpuOnRandomShapes, MaxPool) {
  try_random_shapes(5, [](Dice& dice, const std::string& name) {
    kernels::MaxPoolShape s{dice.between(1, 3), dice.size(50), dice.size(50), dice.channels(100), dice.between(1, 6), dice.between(1, 4)};
    s.padding = dice.between(0, s.kernel / 2);
    s.height = std::max(s.height, s.kernel - 2 * s.padding);
    s.width = std::max(s.width, s.kernel - 2 * s.padding);
    return MaxPoolCase{str(name, s.batch, " x ", s.height, " x ", s.width, " x ", s.channels, ", window ", s.kernel, " stride ", s.stride,
                           " padding ", s.padding),
                       s, dice.prologue(), dice.accumulate(), dice.coin()};
  });
}

TEST(CpuOnRandomShapes, GlobalAvgPool) {
  try_random_shapes(6, [](Dice& dice, const std::string& name) {
    const std::int64_t batch = dice.size(20), positions = dice.size(600), channels = dice.channels(300);
    return GlobalAvgPoolCase{
        str(name, batch, " x ", positions, " x ", channels), batch, positions, channels, dice.prologue(), dice.accumulate()};
  });
}

}  // namespace
}  // namespace sepia::test
