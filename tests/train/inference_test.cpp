// Depth-first inference: the same bits for any threads and any company in the batch, close to layer by layer, and quiet about memory.
#include "engine/train/inference.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/nn/flat_parameters.h"
#include "engine/ops/materialise.h"
#include "models/model.h"
#include "tests/support/noise_batch.h"

namespace sepia::test {
namespace {

constexpr int kSide = 64;

std::unique_ptr<nn::Module> placed(const std::string& name, DType dtype = DType::kF32, Device device = kCpuDevice) {
  models::ModelSpec spec = models::default_spec(name);
  spec.image_size = kSide;
  spec.classes = 2;
  auto model = models::make_model(spec);
  model->place(device, dtype, 5);
  model->eval();
  return model;
}

std::vector<double> outputs(nn::Module& model, const Batch& batch, const ops::Normalisation& normalisation = {}) {
  std::vector<double> values;
  train::run_inference(model, batch, normalisation, [&](const Tensor& tensor) {
    EXPECT_EQ(tensor.shape(), Shape({batch.n, 2}));
    values = tensor.to_doubles();
  });
  return values;
}

Batch picture_of(const Batch& batch, int i) {
  const auto bytes = static_cast<std::ptrdiff_t>(batch.pixels.size()) / batch.n;
  return {.n = 1, .height = batch.height, .width = batch.width, .pixels = {batch.pixels.begin() + i * bytes, batch.pixels.begin() + (i + 1) * bytes},
          .labels = {batch.labels[static_cast<std::size_t>(i)]}, .indices = {0}};
}

class DepthFirst : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (GetParam() == DType::kBF16 && !kernels::cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products";
  }
  void TearDown() override { set_num_threads(0); }
};
INSTANTIATE_TEST_SUITE_P(Types, DepthFirst, ::testing::Values(DType::kF32, DType::kBF16), [](const auto& info) { return dtype_name(info.param); });

TEST_P(DepthFirst, SameBitsForAnyThreadsAndAnyCompany) {
  const auto model = placed("edgenet", GetParam());
  ASSERT_TRUE(train::runs_depth_first(*model));
  const Batch batch = noise_batch(5, kSide, 1);
  for (const ops::Normalisation& normalisation : {ops::Normalisation{}, ops::kResidualInput}) {
    set_num_threads(1);
    const std::vector<double> expected = outputs(*model, batch, normalisation);
    ASSERT_EQ(expected.size(), 10U);
    EXPECT_NE(expected[0], expected[2]) << "every row is the same picture";
    for (const int threads : {2, 3, 8}) {  // with 8, a thread for each would leave some without: they share each picture
      set_num_threads(threads);
      EXPECT_EQ(outputs(*model, batch, normalisation), expected) << threads << " threads";
      for (int i = 0; i < batch.n; ++i) {
        const std::vector<double> alone = outputs(*model, picture_of(batch, i), normalisation);
        EXPECT_EQ(alone, (std::vector{expected[static_cast<std::size_t>(2 * i)], expected[static_cast<std::size_t>(2 * i + 1)]})) << "picture " << i;
      }
    }
  }
}

TEST_P(DepthFirst, IsCloseToLayerByLayer) {
  const auto model = placed("edgenet", GetParam());
  const Batch batch = noise_batch(5, kSide, 2);
  const std::vector<double> actual = outputs(*model, batch);
  int calls = 0;
  const nn::ModuleObserver observer([&](nn::Module&, const Shape& input, const Shape&) {
    EXPECT_EQ(input[0], batch.n);
    ++calls;
  });
  EXPECT_FALSE(train::runs_depth_first(*model));
  const std::vector<double> expected = outputs(*model, batch);
  EXPECT_GT(calls, 10);
  const double tolerance = GetParam() == DType::kBF16 ? 1e-2 : 1e-6;
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], tolerance * (1 + std::abs(expected[i])));
}

TEST(DepthFirstChoice, IsForSmallUnwatchedNetworksOnTheCpu) {
  EXPECT_FALSE(train::runs_depth_first(*placed("simplenet")));
  EXPECT_FALSE(train::runs_depth_first(*placed("edgenet", DType::kF32, kReferenceDevice)));
  const auto model = placed("edgenet");
  EXPECT_TRUE(train::runs_depth_first(*model));
  model->train();
  EXPECT_FALSE(train::runs_depth_first(*model)) << "batch statistics need the batch";
  model->eval();

  int calls = 0;
  model->at("blocks.1.bn").add_hook([&](const Variable& input, const Variable&) {
    EXPECT_EQ(input.shape()[0], 3);
    ++calls;
  });
  EXPECT_FALSE(train::runs_depth_first(*model));
  outputs(*model, noise_batch(3, kSide, 3));
  EXPECT_EQ(calls, 1);
  model->at("blocks.1.bn").clear_hooks();
  EXPECT_TRUE(train::runs_depth_first(*model));
}

#if defined(SEPIA_SERIAL)
constexpr int kTeam = 1;
#else
constexpr int kTeam = 2;
#endif

/// Requests that no plan served, summed over the arenas of `threads` threads that work together.
std::int64_t unplanned(int threads) {
  std::atomic<int> arrived{0};
  std::atomic<std::int64_t> sum{0};
  parallel_for(threads, [&](std::int64_t) {  // each waits for the others, so that no thread takes two
    ++arrived;
    while (arrived < threads) std::this_thread::yield();
    sum += arena_of(kCpuDevice)->statistics().source_allocations;
  });
  return sum;
}

TEST(DepthFirstMemory, LaterBatchesAllocateNothingOnAnyThread) {
  std::thread([] {  // a thread of its own has a team and arenas of its own, which have seen nothing yet
    set_num_threads(kTeam);
    const auto model = placed("edgenet");
    const Batch full = noise_batch(16, kSide, 4), last = noise_batch(3, kSide, 5);
    const std::int64_t before = unplanned(kTeam);
    for (int i = 0; i < 20; ++i) outputs(*model, full), outputs(*model, last);
    const std::int64_t settled = unplanned(kTeam);
    EXPECT_GT(settled, before);
    for (int i = 0; i < 20; ++i) outputs(*model, full), outputs(*model, last);
    EXPECT_EQ(unplanned(kTeam), settled);
    EXPECT_LT(arena_of(kCpuDevice)->statistics().slab_bytes, std::size_t{1} << 20) << "one picture's activations, not the batch's";
    set_num_threads(0);
  }).join();
}

// As parallel_for does, but in a manner that ThreadSanitizer understands.
TEST(DepthFirstThreads, MayShareANetwork) {
  const auto model = placed("edgenet");
  const Batch batch = noise_batch(2, kSide, 7);
  const std::vector<double> expected = outputs(*model, batch);
  std::vector<std::vector<double>> found(3);
  std::vector<std::thread> threads;
  for (std::vector<double>& values : found) threads.emplace_back([&] { values = outputs(*model, batch); });
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<double>& values : found) EXPECT_EQ(values, expected);
}

/// Gives the first two numbers of its input, and fails when the first is that of a white pixel.
class Fails final : public nn::Module {
 public:
  std::string type() const override { return "Fails"; }

 protected:
  Variable forward(const Variable& x) override {
    const Tensor numbers = ops::materialise(x).value();
    const double first = numbers.slice(0, {1}).to_doubles()[0];
    SEPIA_CHECK_KIND(first < 1, ErrorKind::kNumeric, "a white picture");
    return Variable(numbers.slice(0, {1, 2}).clone());
  }
};

TEST(DepthFirstErrors, ComeBackToTheCaller) {
  Fails model;
  model.place(kCpuDevice, DType::kF32, 1);
  model.eval();
  ASSERT_TRUE(train::runs_depth_first(model));
  Batch batch = noise_batch(6, 8, 6);
  const ops::Normalisation plain{{0, 0, 0}, {1, 1, 1}, ops::InputKind::kRgb};
  for (int i = 0; i < batch.n; ++i) batch.pixels[static_cast<std::size_t>(i * 8 * 8 * 3)] = static_cast<std::uint8_t>(10 * i);
  for (const int threads : {1, 2, 8}) {
    set_num_threads(threads);
    const std::vector<double> good = outputs(model, batch, plain);
    for (int i = 0; i < batch.n; ++i) EXPECT_NEAR(good[static_cast<std::size_t>(2 * i)], 10.0 * i / 255, 1e-6) << "rows are in the batch's order";
    Batch bad = batch;
    bad.pixels[4 * 8 * 8 * 3] = 255;
    try {
      outputs(model, bad, plain);
      ADD_FAILURE() << "the error is gone";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kNumeric);
    }
    EXPECT_EQ(outputs(model, batch, plain), good) << "after an error as before it";
  }
  set_num_threads(0);
}

}  // namespace
}  // namespace sepia::test
