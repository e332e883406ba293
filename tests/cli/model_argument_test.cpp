// MODEL: a name, a weights file or a run folder, and everything that can be wrong with it.
#include "tools/cli/model_argument.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/io/weights.h"
#include "engine/nn/flat_parameters.h"
#include "tests/support/temporary_folder.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using test::TemporaryFolder;

class ModelArgumentTest : public ::testing::Test {
 protected:
  /// An untrained edgenet in a file, with or without what sepia notes about it.
  fs::path write(const std::string& name, bool with_notes) {
    models::ModelSpec spec = models::default_spec("edgenet");
    const auto module = models::make_model(spec);
    module->place(kCpuDevice, DType::kF32, 7);
    weights_ = module->flat().weights().to_doubles();
    const ModelInfo info{.model = "edgenet", .mean = {0.25, 0.5, 0.125}, .std = {0.5, 0.25, 1.0}, .image_size = 64};
    fs::create_directories((folder_ / name).parent_path());
    save_weights(folder_ / name, *module, with_notes ? to_metadata(info) : TensorFileMetadata{});
    return folder_ / name;
  }

  template <class Call>
  static Error error_of(Call&& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorKind::kInternal, "");
  }

  TemporaryFolder folder_;
  std::vector<double> weights_;
};

TEST_F(ModelArgumentTest, ANameIsANetworkWithoutTrainedWeights) {
  const LoadedModel model = load_model("simplenet", {.image_size = 64, .classes = 3, .needs_weights = false});
  EXPECT_EQ(model.spec.name, "simplenet");
  EXPECT_EQ(model.spec.image_size, 64);
  EXPECT_EQ(model.spec.classes, 3);
  EXPECT_TRUE(model.weights.empty());
  const Error error = error_of([] { load_model("simplenet", {}); });
  EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  EXPECT_THAT(error.what(), HasSubstr("network without weights"));
}

TEST_F(ModelArgumentTest, AFileAndARunFolderGiveTheSameModel) {
  const fs::path file = write("run/best.safetensors", true);
  for (const fs::path& path : {file, fs::path(folder_ / "run")}) {
    const LoadedModel loaded = load_model(path.string(), {});
    EXPECT_EQ(loaded.spec.image_size, 64);
    EXPECT_EQ(loaded.spec.normalisation.mean[1], 0.5);
    EXPECT_EQ(loaded.spec.normalisation.std[1], 0.25);
    EXPECT_EQ(loaded.module->flat().weights().to_doubles(), weights_);
    EXPECT_FALSE(loaded.module->training());
  }
}

TEST_F(ModelArgumentTest, WeightsOfOthersNeedTheNetworksName) {
  const std::string file = write("theirs.safetensors", false).string();
  const Error error = error_of([&] { load_model(file, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::kData);
  EXPECT_THAT(error.what(), HasSubstr("add --arch NAME (simplenet, edgenet, xception, xception_based)"));
  EXPECT_EQ(load_model(file, {.architecture = "edgenet"}).spec.name, "edgenet");
  EXPECT_EQ(error_of([&] { load_model(file, {.architecture = "simplenet"}); }).kind(), ErrorKind::kData);
  const std::string ours = write("ours.safetensors", true).string();
  EXPECT_THAT(error_of([&] { load_model(ours, {.architecture = "simplenet"}); }).what(), HasSubstr("belongs to edgenet, not to --arch simplenet"));
}

TEST_F(ModelArgumentTest, WhatCannotBeUsedIsNamed) {
  const auto refused = [](const std::string& argument) { return error_of([&] { load_model(argument, {}); }); };
  EXPECT_EQ(refused("no/such.safetensors").kind(), ErrorKind::kPath);
  EXPECT_EQ(refused("resnet").kind(), ErrorKind::kPath);
  const Error mistyped = error_of([] { load_model("edgnet", {.needs_weights = false}); });
  EXPECT_EQ(mistyped.kind(), ErrorKind::kUsage);
  EXPECT_THAT(mistyped.what(), HasSubstr("did you mean 'edgenet'?"));
  EXPECT_EQ(refused(folder_.path().string()).kind(), ErrorKind::kPath);
  EXPECT_THAT(refused(folder_.path().string()).what(), HasSubstr("no best.safetensors"));
  std::ofstream(folder_ / "weights.pth") << "x";
  EXPECT_EQ(refused((folder_ / "weights.pth").string()).kind(), ErrorKind::kData);
  std::ofstream(folder_ / "bad.safetensors") << "not weights at all";
  EXPECT_EQ(refused((folder_ / "bad.safetensors").string()).kind(), ErrorKind::kData);
}

TEST_F(ModelArgumentTest, AResidualModelIsFedAsItsFileSays) {
  const auto module = models::make_model(models::default_spec("edgenet"));
  module->place(kCpuDevice, DType::kF32, 7);
  save_weights(folder_ / "residual.safetensors", *module, to_metadata({.model = "edgenet", .input = "residual"}));
  const LoadedModel loaded = load_model((folder_ / "residual.safetensors").string(), {});
  EXPECT_EQ(loaded.spec.normalisation, ops::kResidualInput);
  EXPECT_EQ(loaded.info.input, "residual");
  EXPECT_EQ(load_model("edgenet", {.needs_weights = false}).spec.normalisation.kind, ops::InputKind::kRgb);
}

TEST_F(ModelArgumentTest, AFileOfANewerSepiaIsRefusedWithTheReason) {
  const auto module = models::make_model(models::default_spec("edgenet"));
  module->place(kCpuDevice, DType::kF32, 7);
  for (const ModelInfo& info : {ModelInfo{.model = "efficientnet"}, ModelInfo{.model = "edgenet", .numerics = "keras"}}) {
    save_weights(folder_ / "new.safetensors", *module, to_metadata(info));
    const Error error = error_of([&] { load_model((folder_ / "new.safetensors").string(), {}); });
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_THAT(error.what(), HasSubstr("this sepia"));
  }
}

}  // namespace
}  // namespace sepia::cli
