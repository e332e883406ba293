// Xception does not keep the outputs of its depthwise convolutions for the way back: the same training in less memory.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/nn/flat_parameters.h"
#include "engine/train/stepper.h"
#include "models/xception.h"
#include "tests/support/noise_batch.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

constexpr int kPictures = 2, kSide = 96;

struct Outcome {
  std::vector<double> losses;
  std::size_t slab = 0, requested = 0;
  std::int64_t steady_allocations = 0;
  std::size_t depthwise_outputs = 0;  ///< bytes of all of them
};

/// Four steps on a thread of its own, whose arena has seen nothing else. With `keep` every depthwise layer has a hook, so that its output
/// is carried out, and the layer behind it keeps it: what all would be like without recomputing. Pointwise layers have one in any case, so
/// that batch norms take their statistics themselves, in one order of sums.
Outcome train(bool keep) {
  Outcome outcome;
  std::thread([&] {
    models::Xception model({.classes = 2, .deep_head = true, .width_divisor = 4});
    model.place(kCpuDevice, DType::kF32, 3);
    for (const auto& [name, module] : model.named_modules()) {
      if (module->type() == "PointwiseConv2d" || (keep && module->type() == "DepthwiseConv2d"))
        module->add_hook([](const Variable&, const Variable&) {});
    }
    train::Stepper stepper(model, {});
    const Batch batch = test::noise_batch(kPictures, kSide, 1);
    std::int64_t settled = 0;
    for (int i = 0; i < 4; ++i) {
      const nn::ModuleObserver observer([&](nn::Module& module, const Shape&, const Shape& output) {
        if (i == 0 && module.type() == "DepthwiseConv2d") outcome.depthwise_outputs += static_cast<std::size_t>(output.numel()) * sizeof(float);
      });
      outcome.losses.push_back(stepper.step(batch, 1e-3).loss);
      const ArenaStatistics& arena = arena_of(kCpuDevice)->statistics();
      if (i == 1) settled = arena.source_allocations;
      outcome.steady_allocations = arena.source_allocations - settled;
      outcome.slab = arena.slab_bytes;
      outcome.requested = arena.requested_bytes;
    }
  }).join();
  return outcome;
}

TEST(Recompute, XceptionsStepTakesLessMemoryAndAllocatesNothing) {
  const Outcome kept = train(true), remade = train(false);
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::printf("plan of a step: %.2f MiB with depthwise outputs made again, %.2f with them kept; they are %.2f\n", mib(remade.slab), mib(kept.slab),
              mib(kept.depthwise_outputs));
  EXPECT_EQ(remade.depthwise_outputs, kept.depthwise_outputs);
  EXPECT_EQ(remade.steady_allocations, 0);
  EXPECT_EQ(kept.steady_allocations, 0);
  // Between the passes all of them lay there, 35% of the step's memory; now one at a time, when less than all else lies there.
  EXPECT_LE(mib(remade.slab), mib(kept.slab) - 0.95 * mib(kept.depthwise_outputs));
  EXPECT_LE(mib(remade.slab), 0.67 * mib(kept.slab));
  EXPECT_LE(mib(remade.requested), mib(kept.requested) - 1.95 * mib(kept.depthwise_outputs)) << "neither they nor their gradients are asked for";
  // To rounding only: the fused way back adds the sums of weights and batch norms in other pieces.
  ASSERT_EQ(remade.losses.size(), kept.losses.size());
  for (std::size_t i = 0; i < kept.losses.size(); ++i) EXPECT_NEAR(remade.losses[i], kept.losses[i], 1e-5) << "step " << i;
}

// What Grad-CAM asks for, at a layer whose output is pending when nobody looks.
TEST(Recompute, AHookSeesADepthwiseLayersOutputAndItsGradient) {
  constexpr std::int64_t kIn = 5, kOut = 3, kPixels = 4 * 4;
  const test::RandomArrays random("hook");
  models::SeparableConv2d separable(kIn, kOut);
  separable.place(kReferenceDevice, DType::kF64, 2);
  separable.flat().require_gradients();
  const test::Array grad_y = random.values("grad_y", kPixels * kOut);
  const auto grad_x = [&] {
    const Variable x = test::kDoubleReference.leaf(random.values("x", kPixels * kIn), {1, 4, 4, kIn});
    backward(separable(x), test::kDoubleReference.tensor(grad_y, {1, 4, 4, kOut}));
    return test::grad_of(x);
  };
  const test::Array unseen = grad_x();
  Variable seen;
  separable.at("conv1").add_hook([&](const Variable&, const Variable& output) {
    seen = output;
    output.slot()->retain();
  });
  EXPECT_EQ(grad_x(), unseen);

  std::map<std::string, test::Array> weights;
  for (const auto& [name, parameter] : separable.named_parameters()) weights[name] = parameter->variable.value().to_doubles();
  const test::Array x = random.values("x", kPixels * kIn), u = seen.value().to_doubles(), grad_u = test::grad_of(seen);
  for (std::int64_t c = 0; c < kIn; ++c) {
    double corner = 0;  // the output at pixel (0, 0): the filter's lower right quarter
    for (const std::int64_t r : {1, 2}) {
      for (const std::int64_t s : {1, 2}) {
        corner += weights.at("conv1.weight")[static_cast<std::size_t>((r * 3 + s) * kIn + c)] * x[static_cast<std::size_t>(((r - 1) * 4 + s - 1) * kIn + c)];
      }
    }
    EXPECT_NEAR(u[static_cast<std::size_t>(c)], corner, 1e-12);
    for (std::int64_t p = 0; p < kPixels; ++p) {
      double expected = 0;
      for (std::int64_t o = 0; o < kOut; ++o) expected += grad_y[static_cast<std::size_t>(p * kOut + o)] * weights.at("pointwise.weight")[static_cast<std::size_t>(o * kIn + c)];
      EXPECT_NEAR(grad_u[static_cast<std::size_t>(p * kIn + c)], expected, 1e-12);
    }
  }
}

}  // namespace
}  // namespace sepia
