// Optimisers, clipping, weight averages and schedules against PyTorch and timm (tests/golden/optim.json).
#include <gmock/gmock.h>

#include <cmath>

#include "engine/ops/flat.h"
#include "engine/optim/ema.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "tests/support/golden.h"
#include "tests/support/tape.h"

namespace sepia::optim {
namespace {

using nlohmann::json;
using test::Array;
using test::Place;

const json& goldens() {
  static const json loaded = golden::load("optim");
  return loaded;
}

Shape flat(const Array& values) { return {static_cast<std::int64_t>(values.size())}; }

/// Double to rounding; float to the relative rounding of `steps` updates.
test::Tolerance limit(const Place& place, double steps) {
  return place.dtype == DType::kF64 ? test::Tolerance{1e-12, 1e-13} : test::Tolerance{3e-7 * steps, 1e-7 * steps};
}

OptimizerOptions options_of(const std::string& name, const json& params) {
  OptimizerOptions options{.algorithm = algorithm_from_name(name), .lr = params.at("lr").get<double>(), .weight_decay = params.at("weight_decay").get<double>()};
  if (params.contains("betas")) {
    options.beta1 = params.at("betas")[0].get<double>();
    options.beta2 = params.at("betas")[1].get<double>();
    options.eps = params.at("eps").get<double>();
  } else {
    options.momentum = params.at("momentum").get<double>();
    options.nesterov = params.at("nesterov").get<bool>();
  }
  return options;
}

class Optimizers : public ::testing::TestWithParam<const char*> {};

TEST_P(Optimizers, FollowPyTorch) {
  for (const json& golden : goldens().at(GetParam())) {
    for (const Place& place : test::kPlaces) {
      SCOPED_TRACE(golden.at("name").get<std::string>() + " on " + device_name(place.device));
      const auto start = golden.at("start").get<Array>();
      const Tensor weights = place.tensor(start, flat(start)), gradients = Tensor::zeros(weights.shape(), place.dtype, place.device);
      const OptimizerOptions options = options_of(GetParam(), golden.at("params"));
      Optimizer optimizer(options, weights, gradients, {{.offset = 0, .count = weights.numel()}});
      for (std::size_t step = 0; step < golden.at("gradients").size(); ++step) {
        const auto gradient = golden.at("gradients")[step].get<Array>();
        // The gradient arrives halved and the scale makes up for it, as clipping would.
        Array halved = gradient;
        for (double& g : halved) g /= 2;
        gradients.copy_from(place.tensor(halved, flat(halved)));
        optimizer.step(options.lr, 2);
        test::expect_near(weights.to_doubles(), golden.at("weights")[step].get<Array>(), limit(place, static_cast<double>(step + 1)), "weights after step " + std::to_string(step + 1));
      }
      EXPECT_EQ(optimizer.steps_taken(), static_cast<std::int64_t>(golden.at("gradients").size()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Optimizers, ::testing::Values("adam", "adamw", "sgd"), [](const auto& info) { return std::string(info.param); });

TEST_P(Optimizers, AResumedOptimizerGoesOnToTheBit) {
  const json& golden = goldens().at(GetParam()).back();
  for (const Place& place : test::kPlaces) {
    const auto start = golden.at("start").get<Array>();
    const OptimizerOptions options = options_of(GetParam(), golden.at("params"));
    const std::vector<ParameterGroup> all{{.offset = 0, .count = static_cast<std::int64_t>(start.size())}};
    const Tensor weights = place.tensor(start, flat(start)), gradients = weights.clone();
    Optimizer straight(options, weights, gradients, all);
    straight.step(options.lr);
    const Tensor resumed_weights = weights.clone();
    Optimizer resumed(options, resumed_weights, gradients, all);
    resumed.set_steps_taken(straight.steps_taken());
    const auto from = straight.state(), to = resumed.state();
    ASSERT_EQ(from.size(), to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      EXPECT_EQ(from[i].first, to[i].first);
      to[i].second.copy_from(from[i].second);
    }
    straight.step(options.lr);
    resumed.step(options.lr);
    EXPECT_EQ(weights.to_doubles(), resumed_weights.to_doubles());
  }
}

TEST(Optimizer, GroupsHaveRatesOfTheirOwnAndLeaveTheRestAlone) {
  for (const Place& place : test::kPlaces) {
    const Tensor weights = place.tensor({1, 1, 1, 1, 1}, {5}), gradients = place.tensor({1, 1, 1, 1, 1}, {5});
    Optimizer optimizer({.algorithm = Algorithm::kSgd, .momentum = 0}, weights, gradients, {{.offset = 0, .count = 2}, {.offset = 3, .count = 1, .lr_scale = 2}});
    optimizer.step(0.25);
    EXPECT_EQ(weights.to_doubles(), (Array{0.75, 0.75, 1, 0.5, 1}));
    EXPECT_TRUE(optimizer.state().empty()) << "plain SGD keeps nothing";
  }
}

TEST(Optimizer, RefusesWhatCannotBe) {
  const Tensor four = Tensor::zeros({4}, DType::kF32, kCpuDevice), five = Tensor::zeros({5}, DType::kF32, kCpuDevice);
  using ::testing::HasSubstr;
  EXPECT_THAT(test::error_of([&] { Optimizer({}, four, five, {}); }, ErrorKind::kInternal), HasSubstr("weights (4) and gradients (5) differ"));
  EXPECT_THAT(test::error_of([&] { Optimizer({}, four, four, {{.offset = 2, .count = 3}}); }, ErrorKind::kInternal), HasSubstr("elements 2 to 5 of 4"));
  EXPECT_THAT(test::error_of([&] { Optimizer({.algorithm = Algorithm::kSgd, .momentum = 0, .nesterov = true}, four, four, {}); }), HasSubstr("Nesterov"));
  EXPECT_THAT(test::error_of([] { (void)algorithm_from_name("lamb"); }), HasSubstr("use adam, adamw or sgd"));
  EXPECT_THAT(test::error_of([] { (void)schedule_from_name("step"); }), HasSubstr("use constant, cosine or onecycle"));
}

TEST(ClipGradNorm, FollowsPyTorch) {
  for (const json& golden : goldens().at("clip_grad_norm")) {
    for (const Place& place : test::kPlaces) {
      SCOPED_TRACE(golden.at("name").get<std::string>());
      Array gradients, expected;
      for (const json& part : golden.at("gradients")) std::ranges::copy(part.get<Array>(), std::back_inserter(gradients));
      for (const json& part : golden.at("clipped")) std::ranges::copy(part.get<Array>(), std::back_inserter(expected));
      const double norm = std::sqrt(ops::sum_of_squares(place.tensor(gradients, flat(gradients))));
      EXPECT_NEAR(norm, golden.at("norm").get<double>(), 1e-12);
      const double factor = clip_factor(norm, golden.at("max_norm").get<double>());
      for (double& g : gradients) g *= factor;
      test::expect_near(gradients, expected, {1e-12, 0}, "clipped");
    }
  }
  EXPECT_EQ(clip_factor(1e9, 0), 1) << "no clipping";
}

TEST(WeightAverage, FollowsPyTorchAndSwapsBothWays) {
  for (const json& golden : goldens().at("ema")) {
    for (const Place& place : test::kPlaces) {
      SCOPED_TRACE(golden.at("name").get<std::string>());
      const auto start = golden.at("start").get<Array>();
      const Tensor weights = place.tensor(start, flat(start)), running = weights.clone();
      WeightAverage average(golden.at("decay").get<double>(), weights, running);
      Array last;
      for (std::size_t step = 0; step < golden.at("weights").size(); ++step) {
        last = golden.at("weights")[step].get<Array>();
        weights.copy_from(place.tensor(last, flat(last)));
        running.copy_from(weights);
        average.update();
        for (const Tensor& part : {average.average_weights(), average.average_statistics()}) {
          test::expect_near(part.to_doubles(), golden.at("averages")[step].get<Array>(), limit(place, static_cast<double>(step + 1)), "average");
        }
      }
      const Array averaged = average.average_weights().to_doubles();
      average.swap();
      EXPECT_EQ(weights.to_doubles(), averaged);
      EXPECT_EQ(running.to_doubles(), averaged);
      average.swap();
      EXPECT_EQ(weights.to_doubles(), last);
      EXPECT_EQ(average.average_weights().to_doubles(), averaged);
    }
  }
  const Tensor one = Tensor::zeros({1}, DType::kF32, kCpuDevice);
  EXPECT_THAT(test::error_of([&] { WeightAverage(1, one, one); }), ::testing::HasSubstr("between 0 and 1"));
}

TEST(Schedule, CosineIsTimms) {
  int compared = 0;
  for (const json& golden : goldens().at("cosine")) {
    const json& p = golden.at("params");
    if (p.value("warmup_prefix", false)) continue;  // timm's other rule, which is not its default
    SCOPED_TRACE(golden.at("name").get<std::string>());
    const double lr = p.at("lr").get<double>();
    const ScheduleOptions options{.kind = ScheduleKind::kCosine, .warmup_epochs = p.value("warmup_t", 0.0), .warmup_start = p.value("warmup_lr_init", 0.0) / lr,
                                  .final_fraction = p.value("lr_min", 0.0) / lr};
    double update = 0;
    for (const json& expected : golden.at("lr")) {
      EXPECT_NEAR(lr * schedule_factor(options, update, p.at("t_initial").get<double>()), expected.get<double>(), 1e-15) << "update " << update;
      ++update;
      ++compared;
    }
  }
  EXPECT_GE(compared, 30);
}

TEST(Schedule, OneCycleIsTorchsCurve) {
  const json& golden = goldens().at("one_cycle")[0];
  ASSERT_EQ(golden.at("name"), "defaults");
  const double max_lr = golden.at("params").at("max_lr").get<double>(), steps = golden.at("params").at("total_steps").get<double>();
  // torch's phases end at steps 0.3 N - 1 and N - 1; ours at 0.3 and 1 of the run.
  const double top = 0.3 * steps - 1;
  for (std::size_t t = 0; t < golden.at("lr").size(); ++t) {
    const double step = static_cast<double>(t);
    const double progress = step <= top ? 0.3 * step / top : 0.3 + 0.7 * (step - top) / (steps - 1 - top);
    const ScheduleOptions options{.kind = ScheduleKind::kOneCycle};
    EXPECT_NEAR(max_lr * schedule_factor(options, 7 * progress, 7), golden.at("lr")[t].get<double>(), 1e-14) << "step " << t;
    // With each step's plain place in the run the two lie less than one step apart.
    const auto torch = [&](std::size_t i) { return golden.at("lr")[std::min(i, golden.at("lr").size() - 1)].get<double>(); };
    const double ours = max_lr * schedule_factor(options, step, steps);
    const double before = torch(t), after = torch(t + 1), earlier = torch(t == 0 ? 0 : t - 1);
    EXPECT_GE(ours, std::min({before, after, earlier}) - 1e-12) << "step " << t;
    EXPECT_LE(ours, std::max({before, after, earlier}) + 1e-12) << "step " << t;
  }
}

TEST(Schedule, WarmUpIsLinearAndConstantStaysOne) {
  const ScheduleOptions options{.kind = ScheduleKind::kConstant, .warmup_epochs = 2, .warmup_start = 0.1};
  EXPECT_DOUBLE_EQ(schedule_factor(options, 0, 5), 0.1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 0.5, 5), 0.325);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 2, 5), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(options, 5, 5), 1);
  const ScheduleOptions one_cycle{.kind = ScheduleKind::kOneCycle, .warmup_epochs = 1};
  EXPECT_DOUBLE_EQ(schedule_factor(one_cycle, 1, 4), 1) << "the top stands where warm-up ends";
  EXPECT_NEAR(schedule_factor(one_cycle, 0, 4), 1.0 / 25, 1e-15);
  EXPECT_NEAR(schedule_factor(one_cycle, 4, 4), 1.0 / 250000, 1e-15);
}

}  // namespace
}  // namespace sepia::optim
