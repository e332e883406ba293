#include "engine/autograd/variable.h"

#include <gmock/gmock.h>

#include "engine/autograd/backward_down_to.h"
#include "engine/autograd/node.h"
#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/linear.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using test::Array;
using test::error_of;
using test::grad_of;
using test::Place;
using test::value_of;

class Backward : public ::testing::TestWithParam<Place> {
 protected:
  Variable leaf(const Array& values) const { return GetParam().leaf(values, {static_cast<std::int64_t>(values.size())}); }
  Tensor tensor(const Array& values) const { return GetParam().tensor(values, {static_cast<std::int64_t>(values.size())}); }
};
INSTANTIATE_TEST_SUITE_P(Places, Backward, ::testing::ValuesIn(test::kPlaces), [](const auto& info) { return device_name(info.param.device); });

TEST_P(Backward, BranchesAccumulate) {
  const Variable x = leaf({1, -2, 3});
  const Variable r = ops::materialise(ops::relu(x));             // gradient passes at 1 and 3
  const Variable y = ops::add(ops::add(r, x), ops::add(x, r));  // 2 relu(x) + 2 x
  backward(y, tensor({1, 10, 100}));
  EXPECT_THAT(value_of(y), ElementsAre(4, -4, 12));
  EXPECT_THAT(grad_of(x), ElementsAre(4, 20, 400));
}

TEST_P(Backward, OneValueTwiceInOneOp) {
  const Variable x = leaf({1, -2});
  const Variable y = ops::add(x, x);
  backward(ops::add(y, y), tensor({1, 10}));
  EXPECT_THAT(grad_of(x), ElementsAre(4, 40));
}

TEST_P(Backward, PendingAndPlainUsesOfOneValue) {
  for (const bool relu_first : {true, false}) {
    const Variable x = leaf({5, -2});
    const Variable y = relu_first ? ops::add(ops::relu(x), x) : ops::add(x, ops::relu(x));
    backward(y, tensor({1, 10}));
    EXPECT_THAT(value_of(y), ElementsAre(10, -2));
    EXPECT_THAT(grad_of(x), ElementsAre(2, 10));
  }
}

TEST_P(Backward, BatchNormMayNotOverwriteAGradientThatOthersHold) {
  // y = add(bn, x) hands its gradient to both branches; the batch norm computes its input's gradient in place only when alone.
  const Place& place = GetParam();
  const Shape c{1};
  const ops::BatchNormBuffers buffers{.running_mean = place.tensor({0}, c), .running_variance = place.tensor({4}, c), .step_mean = {}, .step_variance = {}, .eps = 0};
  const Variable x = place.leaf({1, 2}, {2, 1}), gamma = place.leaf({3}, c), beta = place.leaf({0}, c);
  const Variable inner = ops::add(x, Variable(place.tensor({0, 0}, {2, 1})));
  const Variable bn = ops::batch_norm(inner, gamma, beta, buffers, ops::BatchNormMode::kRunning);
  bn.slot()->retain();
  const Tensor seed = place.tensor({1, 10}, {2, 1});
  backward(ops::add(bn, inner), seed);
  EXPECT_THAT(seed.to_doubles(), ElementsAre(1, 10)) << "the caller's seed was overwritten";
  EXPECT_THAT(grad_of(bn), ElementsAre(1, 10)) << "a retained gradient was overwritten";
  EXPECT_THAT(grad_of(x), ElementsAre(DoubleEq(1 + 1.5), DoubleEq(10 + 15)));  // 1 + gamma / sqrt(4)
  EXPECT_THAT(grad_of(gamma), ElementsAre(DoubleEq(0.5 * 1 + 1 * 10)));
  EXPECT_THAT(grad_of(beta), ElementsAre(11));
}

TEST_P(Backward, SharedWeightsWithBiasesOfTheirOwn) {
  const Place& place = GetParam();
  const Variable x = place.leaf({1, 2}, {1, 2}), w = place.leaf({1, 0, 0, 1}, {2, 2}), b = leaf({0, 0}), c = leaf({0, 0});
  const Variable y = ops::add(ops::add(ops::linear(x, w, b), ops::linear(x, w, c)), ops::linear(x, w, Variable()));
  backward(ops::add(y, ops::linear(x, Variable(w.value()), b)), place.tensor({1, 10}, {1, 2}));
  EXPECT_THAT(grad_of(w), ElementsAre(3, 6, 30, 60));
  EXPECT_THAT(grad_of(b), ElementsAre(2, 20));
  EXPECT_THAT(grad_of(c), ElementsAre(1, 10));
  EXPECT_THAT(grad_of(x), ElementsAre(4, 40));
}

TEST_P(Backward, TwoPassesAddToLeavesUntilCleared) {
  const Variable x = leaf({2});
  backward(ops::add(x, x));
  EXPECT_THAT(grad_of(x), ElementsAre(2));
  backward(ops::add(x, x));
  EXPECT_THAT(grad_of(x), ElementsAre(4));
  x.slot()->clear();
  EXPECT_FALSE(x.grad().defined());
  backward(x);
  EXPECT_THAT(grad_of(x), ElementsAre(1)) << "a leaf may be a root itself";
}

TEST_P(Backward, ATapeRunsOnce) {
  const Variable x = leaf({2}), shared = ops::add(x, x), a = ops::add(shared, x), b = ops::add(shared, x);
  backward(a);
  EXPECT_THAT(grad_of(x), ElementsAre(3));
  EXPECT_THAT(error_of([&] { backward(a); }), HasSubstr("earlier backward"));
  EXPECT_THAT(error_of([&] { backward(b); }), HasSubstr("earlier backward")) << "b would silently lose the way through `shared`";
  EXPECT_THAT(grad_of(x), ElementsAre(3));
}

TEST_P(Backward, HooksSeeCompleteGradientsInOrder) {
  const Variable x = leaf({1, -2}), middle = ops::add(x, x), y = ops::add(ops::add(middle, x), middle);
  std::vector<std::string> order;
  const auto note = [&order](const char* name, const Array& expected) {
    return [&order, name, expected](const Tensor& gradient) {
      order.emplace_back(name);
      EXPECT_EQ(gradient.to_doubles(), expected) << name;
    };
  };
  y.slot()->add_hook(note("y", {1, 10}));
  middle.slot()->add_hook(note("middle", {2, 20}));
  x.slot()->add_hook(note("x", {5, 50}));
  backward(y, tensor({1, 10}));
  EXPECT_THAT(order, ElementsAre("y", "middle", "x"));
  EXPECT_FALSE(middle.grad().defined()) << "not retained";
}

TEST_P(Backward, RetainedGradientsStay) {
  const Variable x = leaf({1, -2}), middle = ops::add(x, x), y = ops::add(middle, middle);
  middle.slot()->retain();
  y.slot()->retain();
  backward(y, tensor({1, 10}));
  EXPECT_THAT(grad_of(y), ElementsAre(1, 10));
  EXPECT_THAT(grad_of(middle), ElementsAre(2, 20));
  EXPECT_THAT(grad_of(x), ElementsAre(4, 40));
}

TEST_P(Backward, DownToAValueGoesNoFurther) {
  const Variable x = leaf({1, -2}), z = leaf({3, 4});
  const Variable below = ops::materialise(ops::relu(x));
  const Variable middle = ops::add(below, below);
  bool went_on = false;
  below.slot()->add_hook([&](const Tensor&) { went_on = true; });
  EXPECT_THAT(error_of([&] { backward_down_to(ops::add(middle, z), tensor({1, 1}), middle); }), HasSubstr("retain"));
  middle.slot()->retain();
  const Variable y = ops::add(ops::add(middle, z), middle);
  backward_down_to(y, tensor({1, 10}), middle);
  EXPECT_THAT(grad_of(middle), ElementsAre(2, 20)) << "both contributions";
  EXPECT_THAT(grad_of(z), ElementsAre(1, 10));
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(went_on);
  EXPECT_THAT(error_of([&] { backward(middle, tensor({1, 1})); }), HasSubstr("used up")) << "the tape below is gone too";
}

TEST_P(Backward, AFixedBufferIsWrittenAndKept) {
  const Variable x = leaf({1, 2});
  const Tensor buffer = tensor({7, 7});
  x.slot()->set_fixed_buffer(buffer);
  backward(ops::add(x, x), tensor({1, 10}));
  EXPECT_THAT(buffer.to_doubles(), ElementsAre(2, 20)) << "the first contribution is written, not added to what was there";
  x.slot()->clear();
  backward(ops::add(x, Variable(tensor({0, 0}))), tensor({1, 10}));
  EXPECT_THAT(buffer.to_doubles(), ElementsAre(1, 10));
}

TEST_P(Backward, NoGradAndDetachCutTheTape) {
  const Variable x = leaf({1});
  {
    const NoGradGuard outer;
    {
      const NoGradGuard inner;
    }
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(ops::add(x, x).requires_grad());
  }
  EXPECT_TRUE(grad_enabled());
  const Variable y = ops::add(x, ops::add(x, x).detach());
  backward(y);
  EXPECT_THAT(value_of(y), ElementsAre(3));
  EXPECT_THAT(grad_of(x), ElementsAre(1));
  EXPECT_FALSE(ops::relu(x).detach().requires_grad());
}

TEST_P(Backward, SaysWhatIsMissing) {
  const Variable x = leaf({1, 2});
  const Variable constant(tensor({1, 2}));
  EXPECT_THAT(error_of([&] { backward(ops::add(constant, constant)); }), HasSubstr("does not depend on anything that requires a gradient"));
  EXPECT_THAT(error_of([&] { backward(ops::add(x, x)); }), HasSubstr("a seed gradient is needed for a value of shape (2)"));
  EXPECT_THAT(error_of([&] { backward(ops::add(x, x), tensor({1, 2, 3})); }), HasSubstr("the seed is"));
  EXPECT_THAT(error_of([&] { backward(ops::add(x, x), Tensor::zeros({2}, DType::kI32, x.device())); }), HasSubstr("the seed is i32"));
  EXPECT_THAT(error_of([&] { (void)ops::relu(x).value(); }, ErrorKind::kInternal), HasSubstr("materialise() first"));
}

TEST_P(Backward, LongChainsDoNotUseTheStack) {
  constexpr int kNodes = 100'000;
  for (const bool run : {true, false}) {
    const Variable x = leaf({0}), zero(tensor({0}));
    Variable plain = x, doubled = x, residual = x;
    for (int i = 0; i < kNodes; ++i) {
      plain = ops::add(plain, zero);
      residual = ops::add(residual, ops::relu(residual));
      if (i % 100 == 0) doubled = ops::add(doubled, doubled);  // 2^1000 is still finite in double
    }
    if (!run) continue;  // dropped as it is
    backward(plain);
    EXPECT_THAT(grad_of(x), ElementsAre(1));
  }
  // The deepest case for a destructor: every slot is held twice by the node after it.
  Variable twice = leaf({0});
  for (int i = 0; i < kNodes; ++i) twice = ops::add(twice, twice);
}

/// A node of a user's own: y = 3 x.
struct TripleNode final : Node {
  const char* name() const override { return "triple"; }
  void backward(Tensor grad_y) override {
    const Array g = grad_y.to_doubles();
    Array result;
    for (const double v : g) result.push_back(3 * v);
    input(0).deliver(tensor_from_doubles(result, grad_y.shape(), grad_y.dtype(), grad_y.device()));
  }
};

TEST_P(Backward, ADeliveredGradientOfAnotherSizeOrTypeIsRefused) {
  const Variable x = leaf({1, 2});
  EXPECT_THAT(error_of([&] { x.slot()->deliver(tensor({1})); }, ErrorKind::kInternal), HasSubstr("gradient of shape (1) for a value of shape (2)"));
  EXPECT_THAT(error_of([&] { x.slot()->deliver(Tensor::zeros({2}, DType::kI64, x.device())); }, ErrorKind::kInternal), HasSubstr("gradient of type i64"));
  auto node = std::make_shared<TripleNode>();
  node->add_input(x.slot());
  auto slot = std::make_shared<GradSlot>(x.shape(), x.dtype(), x.device());
  slot->set_producer(node);
  backward(ops::add(Variable(x.value(), {}, slot), x), tensor({1, 10}));
  EXPECT_THAT(grad_of(x), ElementsAre(4, 40));
}

}  // namespace
}  // namespace sepia
