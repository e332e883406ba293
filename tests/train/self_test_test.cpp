// The three controls pass for a network that learns, and each fails for the fault it is there to find.
#include "engine/train/self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/error.h"
#include "engine/nn/layers.h"
#include "engine/ops/flatten.h"
#include "models/model.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::train {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr int kSide = 64;

/// Sees nothing but the 4x4 pixels of the upper left corner: enough to know a few pictures by heart, blind to the marks.
class CornerNet : public nn::Module {
 public:
  CornerNet()
      : conv_(add<nn::Conv2d>("conv", nn::Conv2d::Options{.in_channels = 3, .out_channels = 64, .kernel = 4, .stride = kSide})),
        fc_(add<nn::Linear>("fc", nn::Linear::Options{.in_features = 64, .out_features = 2})) {}
  std::string type() const override { return "CornerNet"; }

 protected:
  Variable forward(const Variable& x) override { return fc_(ops::flatten(conv_(x))); }

 private:
  nn::Conv2d& conv_;
  nn::Linear& fc_;
};

/// Does not look at the picture but at its place in the batch: as a leak does, since the held-out pictures come in the order of their labels.
class PlaceReader : public nn::Module {
 public:
  PlaceReader() : fc_(add<nn::Linear>("fc", nn::Linear::Options{.in_features = 1, .out_features = 2})) {}
  std::string type() const override { return "PlaceReader"; }

 protected:
  Variable forward(const Variable& x) override {
    std::vector<float> place;
    for (std::int64_t n = 0; n < x.shape()[0]; ++n) place.push_back(n % 2 == 0 ? -1.0F : 1.0F);
    const auto count = static_cast<std::int64_t>(place.size());
    return fc_(Variable(Tensor::from_host<float>(place, {count, 1}, kCpuDevice)));
  }

 private:
  nn::Linear& fc_;
};

class SelfTest : public ::testing::Test {
 protected:
  SelfTest() {
    test::write_small_dataset(folder_.path(), {.train = 24, .val = 0, .test = 0, .side = kSide});
    config_.data = folder_.path().string();
    config_.image_size = kSide;
    config_.batch_size = 8;
    config_.augment = "none";
    config_.workers = 1;
  }

  template <class Make>
  std::vector<SelfTestControl> run(const Make& make) {
    const RunPictures pictures = check_pictures(config_, {});
    std::vector<std::string> heard;
    const std::vector<SelfTestControl> controls = self_test(
        config_, pictures.train(),
        [&] {
          std::unique_ptr<nn::Module> model = make();
          model->place(kCpuDevice, DType::kF32, config_.seed);
          return model;
        },
        [&](const SelfTestControl& control) { heard.push_back(control.name); });
    EXPECT_THAT(heard, ::testing::ElementsAre("one_batch", "planted_mark", "shuffled_labels"));
    return controls;
  }

  std::vector<SelfTestControl> run_edgenet() {
    return run([] {
      models::ModelSpec spec = models::default_spec("edgenet");
      spec.image_size = kSide;
      return models::make_model(spec);
    });
  }

  test::TemporaryFolder folder_;
  TrainConfig config_;
};

TEST_F(SelfTest, ANetworkThatLearnsPassesAll) {
  const std::vector<SelfTestControl> controls = run_edgenet();
  EXPECT_THAT(controls, Each(Field(&SelfTestControl::passed, true))) << controls[0].finding << "\n" << controls[1].finding << "\n" << controls[2].finding;
  EXPECT_EQ(faulty_part(controls, config_), "");
  EXPECT_GE(controls[1].figure, 0.9);
  EXPECT_EQ(controls[2].steps, controls[1].steps);
}

TEST_F(SelfTest, StepsTooSmallToLearnAreTheOptimisersFault) {
  config_.optimizer.lr = 1e-9;
  const std::vector<SelfTestControl> controls = run_edgenet();
  EXPECT_FALSE(controls[0].passed);
  EXPECT_EQ(controls[0].steps, 400);
  EXPECT_THAT(faulty_part(controls, config_), HasSubstr("the network or the optimiser"));
}

TEST_F(SelfTest, ANetworkThatDoesNotSeeTheMarkIsFoundByTheSecondControl) {
  const std::vector<SelfTestControl> controls = run([] { return std::make_unique<CornerNet>(); });
  EXPECT_TRUE(controls[0].passed) << controls[0].finding;
  EXPECT_FALSE(controls[1].passed) << controls[1].finding;
  EXPECT_TRUE(controls[2].passed) << controls[2].finding;
  EXPECT_THAT(faulty_part(controls, config_), HasSubstr("between the files and the network"));
}

TEST_F(SelfTest, ALeakOfLabelsIsFoundByTheThird) {
  const std::vector<SelfTestControl> controls = run([] {
    auto model = std::make_unique<PlaceReader>();
    model->add_hook([](const Variable&, const Variable&) {});  // seen by a hook, it gets whole batches: alone, a picture has no place
    return model;
  });
  EXPECT_TRUE(controls[0].passed) << controls[0].finding;
  EXPECT_FALSE(controls[2].passed) << controls[2].finding;
}

TEST_F(SelfTest, NanEndsAControlAndNotTheTest) {
  config_.optimizer.algorithm = optim::Algorithm::kSgd;
  config_.optimizer.lr = 1e30;
  const std::vector<SelfTestControl> controls = run_edgenet();
  EXPECT_THAT(controls, Each(Field(&SelfTestControl::passed, false)));
  EXPECT_THAT(controls[0].finding, HasSubstr("step "));
}

TEST(SelfTestData, NeedsPicturesToHoldOut) {
  const test::TemporaryFolder folder;
  test::write_small_dataset(folder.path(), {.train = 7, .val = 0, .test = 0, .side = kSide});
  TrainConfig config;
  config.data = folder.path().string();
  config.image_size = kSide;
  const RunPictures pictures = check_pictures(config, {});
  try {
    self_test(config, pictures.train(), {}, {});
    FAIL() << "14 pictures are too few";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_THAT(error.what(), HasSubstr("14 pictures"));
  }
}

}  // namespace
}  // namespace sepia::train
