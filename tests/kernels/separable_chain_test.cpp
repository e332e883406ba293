// Separable convolutions in a chain against the same one after the other: the same bits, whoever waits for whom.
#include "kernels/separable_chain.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "kernels/backend.h"
#include "tests/support/random_numbers.h"

namespace sepia::kernels {
namespace {

using test::random_numbers;

struct Layer {
  std::int64_t out;
  std::int64_t stride = 1, kernel = 3, padding = 1;
  bool biases = false, affine = true, relu = true;
};

struct Chain {
  std::int64_t batch, height, width, channels;
  std::vector<Layer> layers;
  bool residual = false;
};

// A chain's arrays and the kernel's arguments.
template <class T>
class Stages {
 public:
  explicit Stages(const Chain& chain) {
    DepthwiseConvShape s{.batch = chain.batch, .height = chain.height, .width = chain.width, .channels = chain.channels};
    x_ = random_numbers<T>(s.batch * s.height * s.width * s.channels, 1);
    std::uint64_t seed = 10;
    for (const Layer& layer : chain.layers) {
      s.kernel_h = s.kernel_w = layer.kernel;
      s.stride = layer.stride;
      s.padding = layer.padding;
      SeparableConvForward<T> stage{};
      stage.shape = s;
      stage.out_features = layer.out;
      if (layer.affine) stage.prologue = {floats(s.channels, ++seed), floats(s.channels, ++seed), layer.relu};
      else stage.prologue.relu = layer.relu;
      stage.depthwise_weight = numbers(s.kernel_h * s.kernel_w * s.channels, ++seed);
      stage.pointwise_weight = numbers(s.channels * layer.out, ++seed);
      if (layer.biases) stage.depthwise_bias = floats(s.channels, ++seed), stage.pointwise_bias = floats(layer.out, ++seed);
      outputs_.emplace_back(static_cast<std::size_t>(s.batch * s.out_height() * s.out_width() * layer.out));
      stages_.push_back(stage);
      s = {.batch = s.batch, .height = s.out_height(), .width = s.out_width(), .channels = layer.out};
    }
    const T* x = x_.data();
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      stages_[i].x = x;
      x = stages_[i].y = outputs_[i].data();
    }
    if (!chain.residual) return;
    const std::int64_t channels = stages_.back().out_features;
    residual_ = numbers(static_cast<std::int64_t>(outputs_.back().size()), ++seed);
    after_ = {floats(channels, ++seed), floats(channels, ++seed), true};
    residual_act_ = {floats(channels, ++seed), floats(channels, ++seed), false};
  }

  SeparableChainForward<T> arguments() const { return {stages_.data(), static_cast<std::int64_t>(stages_.size()), after_, residual_, residual_act_}; }

  /// Kernel after kernel.
  void one_by_one(const KernelTable<T>& table) const {
    for (const auto& stage : stages_) table.separable_conv_forward({}, stage);
    const SeparableConvForward<T>& last = stages_.back();
    const auto size = static_cast<std::int64_t>(outputs_.back().size());
    if (residual_) table.add_forward({}, {size / last.out_features, last.out_features, last.y, after_, residual_, residual_act_, last.y});
  }

  std::vector<std::vector<float>> results() const {
    std::vector<std::vector<float>> all;
    for (const auto& y : outputs_) all.emplace_back(y.begin(), y.end());
    return all;
  }

  void forget() {
    for (auto& y : outputs_) std::ranges::fill(y, T(55.0F));
  }

 private:
  const float* floats(std::int64_t count, std::uint64_t seed) { return vectors_.emplace_back(random_numbers<float>(count, seed)).data(); }
  const T* numbers(std::int64_t count, std::uint64_t seed) {
    auto values = random_numbers<T>(count, seed);
    for (T& value : values) value = static_cast<T>(static_cast<float>(value) / 8);  // eight layers must not run away
    return weights_.emplace_back(std::move(values)).data();
  }

  std::vector<T> x_;
  std::vector<std::vector<T>> outputs_, weights_;
  std::vector<std::vector<float>> vectors_;
  std::vector<SeparableConvForward<T>> stages_;
  const T* residual_ = nullptr;
  Prologue<T> after_, residual_act_;
};

const std::vector<Chain>& chains() {
  static const std::vector<Chain> all{
      {1, 16, 16, 40, {{40}, {40}, {40}}, true},                                             // a residual block
      {1, 16, 16, 40, {{40}, {40}, {40}}, false},
      {5, 16, 16, 24, {{24, 1, 3, 1, true}, {24, 1, 3, 1, true, false}}, true},              // more pictures than threads, and fewer
      {2, 33, 19, 8, {{16, 2}, {33, 2, 3, 1, true}, {20, 1, 5, 2, true, false, false}}, false},  // bands of different stages do not meet
      {3, 21, 20, 5, {{7, 1, 3, 0}, {9, 2, 5, 1}, {4, 1, 3, 1}}, true},
      {1, 40, 12, 16, {{16}, {16}, {16}, {16}, {16}, {16}, {16}, {16}}, true},               // as long as a chain may be
      {1, 64, 9, 3, {{35}}, true},                                                           // one convolution
      {1, 8, 8, 256, {{520}, {512}}, true},                                                  // cut by columns: not in bands of rows
      {1, 5, 4, 3, {{7}, {6}}, true},                                                        // too few rows to pack weights for
  };
  return all;
}

template <class T>
void check_all(const KernelTable<T>& table) {
  for (std::size_t i = 0; i < chains().size(); ++i) {
    Stages<T> stages(chains()[i]);
    stages.one_by_one(table);
    const auto expected = stages.results();
    for (const bool held : {true, false}) {
      for (const int threads : {1, 2, 3, 8}) {
        SCOPED_TRACE(str("chain ", i, ", ", threads, " threads", held ? ", weights held" : ""));
        if (held) cpu_backend().hold_weights();
        set_num_threads(threads);
        for (int time = 0; time < 5; ++time) {  // who is first differs from time to time
          stages.forget();
          table.separable_chain_forward({}, stages.arguments());
          EXPECT_EQ(stages.results(), expected);
        }
        set_num_threads(0);
        if (held) cpu_backend().release_weights();
      }
    }
  }
}

TEST(SeparableChain, CpuGivesTheBitsOfOneByOne) { check_all(*cpu_backend().float32); }
TEST(SeparableChain, CpuGivesTheBitsOfOneByOneInBfloat16) {
  if (!cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_all(*cpu_backend().bfloat16);
}

// A chain inside a parallel_for runs on the one thread that it is called from.
TEST(SeparableChain, RunsInsideAnotherLoop) {
  const KernelTable<float>& table = *cpu_backend().float32;
  Stages<float> first(chains()[0]), second(chains()[0]);
  first.one_by_one(table);
  const auto expected = first.results();
  cpu_backend().hold_weights();
  set_num_threads(2);
  first.forget();
  parallel_for(2, [&](std::int64_t i) { table.separable_chain_forward({}, (i == 0 ? first : second).arguments()); });
  set_num_threads(0);
  cpu_backend().release_weights();
  EXPECT_EQ(first.results(), expected);
  EXPECT_EQ(second.results(), expected);
}

}  // namespace
}  // namespace sepia::kernels
