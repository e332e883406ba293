// Files written by PyTorch and Keras give the tensors that went into them (tests/golden/make_weight_files.py).
#include <gmock/gmock.h>
#include <unistd.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "engine/base/error.h"
#include "engine/io/element_convert.h"
#include "engine/io/weight_file.h"

namespace sepia {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::filesystem::path golden(const std::string& name) { return std::filesystem::path(SEPIA_SOURCE_DIR) / "tests/golden/weight_files" / name; }

const SafetensorsFile& expected() {
  static const SafetensorsFile file = SafetensorsFile::open(golden("expected.safetensors"));
  return file;
}

/// The tensor is the expected one, which may be of another floating type.
void expect_same(const FileTensor& tensor, const std::string& name) {
  const TensorEntry* entry = expected().find(name);
  ASSERT_NE(entry, nullptr) << name;
  EXPECT_EQ(tensor.shape, entry->shape) << name;
  const auto data = expected().data(*entry);
  if (tensor.dtype == entry->dtype) {
    EXPECT_TRUE(std::equal(tensor.data.begin(), tensor.data.end(), data.begin(), data.end())) << name;
    return;
  }
  EXPECT_EQ(detail::convert_elements(tensor.data, tensor.dtype, DType::kF64), detail::convert_elements(data, entry->dtype, DType::kF64)) << name;
}

/// All tensors of the small network, each under `prefix` + name.
void expect_network(const WeightFile& file, const std::string& prefix = "") {
  const std::vector<std::string> names{"conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked", "fc.weight", "fc.bias"};
  ASSERT_EQ(file.tensors.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(file.tensors[i].name, prefix + names[i]);
    expect_same(file.tensors[i], names[i]);
  }
}

TEST(WeightFile, BothContainersOfPyTorch) {
  for (const auto& [name, format] : {std::pair("zip.pth", WeightFile::Format::kTorchZip), std::pair("legacy.pth", WeightFile::Format::kTorchLegacy)}) {
    const WeightFile file = read_weight_file(golden(name));
    EXPECT_EQ(file.format, format);
    EXPECT_EQ(file.key, "");
    EXPECT_THAT(file.notes, ElementsAre());
    EXPECT_EQ(file.sha256.size(), 64U);
    expect_network(file);
  }
}

TEST(WeightFile, ACheckpointsStateDictValuesAndOptimiser) {
  const WeightFile file = read_weight_file(golden("checkpoint.pth"));
  EXPECT_EQ(file.key, "model");
  EXPECT_THAT(file.notes, ElementsAre(Pair("val_acc", "0.9375"), Pair("epoch", "12"), Pair("note", "a text")));
  EXPECT_THAT(file.skipped, ElementsAre("optimizer", "args"));
  expect_network(file, "module.");
  EXPECT_EQ(read_weight_file(golden("checkpoint.pth"), {.key = "model"}).key, "model");
  try {
    read_weight_file(golden("checkpoint.pth"), {.key = "ema"});
    FAIL() << "a key that is not there was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("no state dict under --key 'ema' (dicts of tensors: 'model')"));
  }
}

TEST(WeightFile, NumbersOfNumPyAreValues) {
  for (const char* name : {"numpy.pth", "numpy4.pth"}) {
    const WeightFile file = read_weight_file(golden(name));
    EXPECT_THAT(file.notes, ElementsAre(Pair("val_acc", "0.9375"), Pair("best", "0.5"), Pair("half", "-0.25"), Pair("epoch", "12"), Pair("delta", "-3"),
                                        Pair("count", "200"), Pair("ema", "true")))
        << name;
    ASSERT_EQ(file.tensors.size(), 1U);
    expect_same(file.tensors[0], "fc.bias");
  }
}

TEST(WeightFile, HalfPrecision) {
  const WeightFile half = read_weight_file(golden("half.pth")), brain = read_weight_file(golden("bfloat16.pth"));
  EXPECT_EQ(half.tensors[0].dtype, DType::kF16);
  EXPECT_EQ(brain.tensors[0].dtype, DType::kBF16);
  expect_network(half);
  expect_network(brain);
}

TEST(WeightFile, StridesSlicesParametersAndTiedTensors) {
  const WeightFile file = read_weight_file(golden("strided.pth"));
  ASSERT_EQ(file.tensors.size(), 5U);
  for (const FileTensor& tensor : file.tensors) expect_same(tensor, "strided." + tensor.name);
}

TEST(WeightFile, BothSchemesOfKeras) {
  const std::map<std::string, std::string> in_keras3{
      {"layers/separable_conv2d/vars/0", "keras.separable.depthwise_kernel"}, {"layers/separable_conv2d/vars/1", "keras.separable.pointwise_kernel"},
      {"layers/batch_normalization/vars/0", "keras.norm.gamma"},              {"layers/batch_normalization/vars/1", "keras.norm.beta"},
      {"layers/batch_normalization/vars/2", "keras.norm.moving_mean"},        {"layers/batch_normalization/vars/3", "keras.norm.moving_variance"},
      {"layers/dense/vars/0", "keras.predictions.kernel"},                    {"layers/dense/vars/1", "keras.predictions.bias"}};
  const WeightFile file = read_weight_file(golden("keras3.weights.h5"));
  EXPECT_EQ(file.format, WeightFile::Format::kHdf5);
  EXPECT_THAT(file.notes, ::testing::Contains(Pair("layers/separable_conv2d/vars@name", "separable")));
  ASSERT_EQ(file.tensors.size(), in_keras3.size());
  for (const FileTensor& tensor : file.tensors) {
    ASSERT_TRUE(in_keras3.contains(tensor.name)) << tensor.name;
    expect_same(tensor, in_keras3.at(tensor.name));
  }
  const WeightFile older = read_weight_file(golden("tf_keras.h5"));
  EXPECT_THAT(older.notes, ::testing::Contains(Pair("model_weights@backend", "torch")));
  ASSERT_EQ(older.tensors.size(), in_keras3.size());
  for (const FileTensor& tensor : older.tensors) {
    const std::string kind = tensor.name.substr(tensor.name.rfind('/') + 1);
    const std::string layer = tensor.name.substr(0, tensor.name.rfind('/'));
    expect_same(tensor, "keras." + layer.substr(layer.rfind('/') + 1) + "." + kind);
  }
}

TEST(WeightFile, FilesThatTheCallerHasOpenDoNotMatterToHdf5) {
  int open[3];  // handed down to every program that is started
  for (int& descriptor : open) descriptor = ::dup(STDIN_FILENO);
  EXPECT_NO_THROW(read_weight_file(golden("keras3.weights.h5")));
  for (const int descriptor : open) ::close(descriptor);
}

TEST(WeightFile, SafetensorsWithItsMetadata) {
  const WeightFile file = read_weight_file(golden("expected.safetensors"));
  EXPECT_EQ(file.format, WeightFile::Format::kSafetensors);
  EXPECT_EQ(file.tensors.size(), expected().entries().size());
  for (const FileTensor& tensor : file.tensors) expect_same(tensor, tensor.name);
}

TEST(WeightFile, TrainingStateIsKnownByName) {
  for (const char* name : {"optim", "optimizer", "optimizer_weights", "optimizer_state_dict", "scaler", "lr_scheduler"}) EXPECT_TRUE(is_training_state(name)) << name;
  for (const char* name : {"model", "fc", "optimum", ""}) EXPECT_FALSE(is_training_state(name)) << name;
}

}  // namespace
}  // namespace sepia
