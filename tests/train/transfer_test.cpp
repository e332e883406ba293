// Transfer learning: frozen layers do not move, two learning rates are PyTorch's parameter groups, a head is replaced or taken, and a
// run of all this resumes.
#include "engine/train/transfer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/nn/layers.h"
#include "engine/train/stepper.h"
#include "tests/support/narrow_xception.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_training.h"

namespace sepia::train {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Batch counter_batch(std::uint32_t index, std::uint32_t n, std::uint32_t size) {
  Batch batch;
  batch.n = static_cast<int>(n);
  batch.height = batch.width = static_cast<int>(size);
  for (std::uint32_t i = index * n; i < (index + 1) * n; ++i) {
    batch.labels.push_back(counter_formula::label(i));
    batch.indices.push_back(i);
    for (std::uint32_t y = 0; y < size; ++y)
      for (std::uint32_t x = 0; x < size; ++x)
        for (std::uint32_t c = 0; c < 3; ++c) batch.pixels.push_back(counter_formula::pixel(i, c, y, x));
  }
  return batch;
}

TEST(Transfer, FrozenLayersAndTwoRatesFollowPyTorchFloat64) {
  const json golden = golden::load("transfer");
  golden::Run run = golden::narrow_run(kReferenceDevice, DType::kF64);
  freeze_layers(run.model(), "up-to:" + golden.at("frozen_up_to").get<std::string>(), "fc");
  const double lr = 1e-3;
  Stepper stepper(run.model(), {.head = "fc", .head_lr_scale = golden.at("head_lr").get<double>() / lr,
                                .backbone_lr_scale = golden.at("backbone_lr").get<double>() / lr});
  const golden::RunSetup setup = golden::RunSetup::of(golden::narrow_golden().at("setup"));
  for (int s = 0; s < setup.steps; ++s) {
    const Batch batch = counter_batch(static_cast<std::uint32_t>(s) % setup.batches, setup.batch_size, setup.image_size);
    EXPECT_NEAR(stepper.step(batch, lr).loss, golden.at("losses")[static_cast<std::size_t>(s)].get<double>(), 1e-8) << "step " << s;
  }
  for (const auto& [name, digest] : golden.at("moved").items()) {
    for (const auto& [ours, parameter] : run.model().named_parameters()) {
      if (ours != name) continue;
      const std::vector<double> values = run.in_file_layout(*parameter, run.model().flat().weights());
      EXPECT_LE(golden::digest_distance(digest, values, digest.at("number").get<std::uint32_t>()), 1e-8) << name;
    }
  }
  double sum = 0;
  for (const auto& [name, buffer] : run.model().named_buffers()) {
    for (const double value : buffer->value.to_doubles()) sum += value;
  }
  EXPECT_NEAR(sum, golden.at("statistics_sum").get<double>(), 1e-7);
}

TEST(Transfer, FrozenLayersHaveNoMemoryForGradientsAndMoments) {
  golden::Run run = golden::narrow_run(kCpuDevice, DType::kF32);
  nn::FlatParameters& flat = run.model().flat();
  freeze_layers(run.model(), "backbone", "fc");
  Stepper stepper(run.model(), {});
  EXPECT_EQ(flat.gradients().numel(), flat.size() - run.model().at("fc.0").named_parameters().front().second->offset);
  for (const auto& [name, moment] : stepper.optimizer().state()) EXPECT_EQ(moment.numel(), flat.gradients().numel()) << name;
  // Thawed again, everything has a gradient.
  freeze_layers(run.model(), "none", "fc");
  flat.require_gradients();
  EXPECT_EQ(flat.gradients().numel(), flat.size());
  EXPECT_EQ(count_parameters(run.model()).frozen, 0);
}

TEST(Transfer, FrozenBytesSurviveARunWithDecayAverageAndClipping) {
  const test::TemporaryFolder folder;
  test::write_tiny_data(folder / "data");
  set_num_threads(1);
  TrainConfig config = test::tiny_config(folder / "data");
  config.epochs = 1;
  config.optimizer.algorithm = optim::Algorithm::kAdamW;
  config.optimizer.weight_decay = 0.1;
  config.ema_decay = 0.9;
  config.clip_grad = 1;
  std::vector<FileTensor> before;
  TrainObserver nobody;
  test::run_tiny(config, folder / "run", false, nobody, [&](nn::Module& model) {
    freeze_layers(model, "backbone", "fc1");
    before = state_dict(model);
  });
  int moved = 0;
  for (const char* name : {"best.safetensors", "last.safetensors"}) {
    const SafetensorsFile file = SafetensorsFile::open(folder / "run" / name);
    for (const FileTensor& tensor : before) {
      const auto bytes = file.data(*file.find(tensor.name));
      const bool same = std::equal(bytes.begin(), bytes.end(), tensor.data.begin(), tensor.data.end());
      if (tensor.name.starts_with("fc")) moved += !same;
      else EXPECT_TRUE(same) << tensor.name << " of " << name;
    }
  }
  EXPECT_EQ(moved, 8) << "weights and biases of fc1 and fc2 in both files";
  set_num_threads(0);
}

TEST(Transfer, ResumesToTheSameBytes) {
  const test::TemporaryFolder folder;
  test::write_tiny_data(folder / "data");
  set_num_threads(1);
  TrainConfig config = test::tiny_config(folder / "data");
  config.transfer = {.pretrained = "", .pretrained_sha256 = "", .freeze = "up-to:blocks.0", .head = "fc1", .head_lr = 1e-2, .backbone_lr = 1e-4};
  config.checkpoint_every = 1;
  const auto freeze = [&](nn::Module& model) { freeze_layers(model, config.transfer.freeze, config.transfer.head); };
  TrainObserver nobody;
  test::run_tiny(config, folder / "whole", false, nobody, freeze);
  test::Saboteur killer;
  killer.kill_after = 9;
  EXPECT_THROW(test::run_tiny(config, folder / "run", false, killer, freeze), test::Killed);
  test::run_tiny(config, folder / "run", true, nobody, freeze);
  EXPECT_THAT(test::differing_files(folder / "whole", folder / "run"), IsEmpty());
  set_num_threads(0);
}

TEST(Transfer, SettingsReadBack) {
  TrainConfig config;
  config.numerics = "keras";
  config.transfer = {.pretrained = "/w.safetensors", .pretrained_sha256 = "ab", .new_head = true, .freeze = "up-to:block3", .head = "fc", .head_lr = 0.5,
                     .backbone_lr = 0.25};
  const TrainConfig back = config_from_json(config_to_json(config), "test");
  EXPECT_EQ(back.transfer, config.transfer);
  EXPECT_EQ(back.numerics, "keras");
  EXPECT_EQ(resume_conflict(config, TrainConfig{})->key, "numerics");
}

Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::kInternal, "nothing was thrown");
}

TEST(Transfer, FreezeNamesLayersWhereItIsWrong) {
  const auto model = models::make_model(models::default_spec("edgenet"));
  for (const char* wrong : {"", "everything", "up-to:", "up-to:blocks.7", "up-to:pool", "backbone "}) {
    const Error error = error_of([&] { freeze_layers(*model, wrong, "fc1"); });
    EXPECT_EQ(error.kind(), ErrorKind::kUsage) << wrong;
    EXPECT_THAT(error.what(), HasSubstr("layers: stem, blocks, fc1, fc2")) << wrong;
  }
  freeze_layers(*model, "up-to:blocks.1.bn", "fc1");
  EXPECT_FALSE(model->at("blocks.1.bn").named_parameters().back().second->trainable);
  EXPECT_TRUE(model->at("blocks.2.depthwise").named_parameters().front().second->trainable);
}

std::unique_ptr<nn::Module> narrow(std::int64_t classes, bool deep_head, std::uint64_t seed) {
  auto model = std::make_unique<models::Xception>(models::XceptionOptions{.classes = classes, .deep_head = deep_head, .width_divisor = 8});
  model->place(kCpuDevice, DType::kF32, seed);
  return model;
}

SafetensorsFile file_of(nn::Module& model, const std::function<bool(const std::string&)>& keep, const std::string& extra = "") {
  const auto tensors = state_dict(model);
  SafetensorsWriter writer;
  for (const FileTensor& tensor : tensors) {
    if (keep(tensor.name)) writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.data);
  }
  if (!extra.empty()) writer.add(extra, tensors.front().dtype, tensors.front().shape, tensors.front().data);
  return SafetensorsFile::parse(writer.serialise(), "weights");
}

std::vector<double> weight(nn::Module& model, const std::string& layer) { return model.at(layer).named_parameters().front().second->master.to_doubles(); }

TEST(Transfer, HeadIsTakenWhereItFitsAndDrawnBySeedElsewhere) {
  const auto all = [](const std::string&) { return true; };
  const auto source = narrow(125, false, 1), other_head = narrow(7, false, 1);
  const auto based = narrow(2, true, 2), drawn = narrow(2, true, 2);
  PretrainedReport report = load_pretrained(file_of(*source, all), *based, {.head = "fc"});
  EXPECT_THAT(report.drawn_anew, ElementsAre("fc.2", "fc.4", "fc.6"));
  EXPECT_THAT(report.left_out, IsEmpty());
  EXPECT_EQ(report.loaded.loaded, 276u);
  EXPECT_EQ(weight(*based, "fc.0"), weight(*source, "fc"));
  EXPECT_EQ(weight(*based, "fc.6"), weight(*drawn, "fc.6"));
  EXPECT_EQ(weight(*based, "block5.rep.1.pointwise"), weight(*source, "block5.rep.1.pointwise"));

  const auto anew = narrow(2, true, 2);
  report = load_pretrained(file_of(*source, all), *anew, {.head = "fc", .new_head = true});
  EXPECT_THAT(report.drawn_anew, ElementsAre("fc.0", "fc.2", "fc.4", "fc.6"));
  EXPECT_THAT(report.left_out, ::testing::UnorderedElementsAre("fc.weight", "fc.bias"));
  EXPECT_EQ(weight(*anew, "fc.0"), weight(*drawn, "fc.0"));

  report = load_pretrained(file_of(*other_head, all), *anew, {.head = "fc"});
  EXPECT_THAT(report.summary(), HasSubstr("274 tensors loaded, 0 missing, 0 unexpected; drawn anew: fc.0, fc.2, fc.4, fc.6; left out of the file: fc."));
  // The same head again, as after a first fine-tuning.
  const auto second = narrow(2, true, 3);
  report = load_pretrained(file_of(*based, all), *second, {.head = "fc"});
  EXPECT_THAT(report.drawn_anew, IsEmpty());
  EXPECT_EQ(weight(*second, "fc.6"), weight(*based, "fc.6"));
}

TEST(Transfer, BackboneMustBeWholeAndAlone) {
  const auto source = narrow(2, false, 1), target = narrow(2, false, 2);
  const std::vector<double> before = weight(*target, "conv1");
  const Error missing = error_of([&] { load_pretrained(file_of(*source, [](const std::string& name) { return name != "bn3.bias"; }), *target, {.head = "fc"}); });
  EXPECT_EQ(missing.kind(), ErrorKind::kData);
  EXPECT_THAT(missing.what(), HasSubstr("1 missing (bn3.bias)"));
  const Error unexpected = error_of([&] { load_pretrained(file_of(*source, [](const std::string&) { return true; }, "block13.weight"), *target, {.head = "fc"}); });
  EXPECT_EQ(unexpected.kind(), ErrorKind::kData);
  EXPECT_THAT(unexpected.what(), HasSubstr("1 unexpected ('block13.weight')"));
  EXPECT_EQ(weight(*target, "conv1"), before);
}

}  // namespace
}  // namespace sepia::train
