#include "engine/io/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/io/file_layout.h"
#include "engine/nn/flat_parameters.h"
#include "engine/nn/layers.h"
#include "models/model.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// The network of tests/golden/make_weights.py.
class SmallNet : public nn::Module {
 public:
  SmallNet()
      : stem_(add<nn::Conv2d>("stem", nn::Conv2d::Options{.in_channels = 3, .out_channels = 4, .kernel = 3})),
        depthwise_(add<nn::DepthwiseConv2d>("depthwise", nn::DepthwiseConv2d::Options{.channels = 4, .bias = false})),
        pointwise_(add<nn::PointwiseConv2d>("pointwise", nn::PointwiseConv2d::Options{.in_channels = 4, .out_channels = 5})),
        bn_(add<nn::BatchNorm2d>("bn", nn::BatchNorm2d::Options{.channels = 5})),
        flatten_(add<nn::Flatten>("flatten")),
        fc_(add<nn::Linear>(
            "fc", nn::Linear::Options{.in_features = 60, .out_features = 2, .flattened = std::array<std::int64_t, 3>{5, 4, 3}})) {}
  std::string type() const override { return "SmallNet"; }
  nn::BatchNorm2d& bn() { return bn_; }

 protected:
  Variable forward(const Variable& x) override { return fc_(flatten_(bn_(pointwise_(depthwise_(stem_(x)))))); }

 private:
  nn::Conv2d& stem_;
  nn::DepthwiseConv2d& depthwise_;
  nn::PointwiseConv2d& pointwise_;
  nn::BatchNorm2d& bn_;
  nn::Flatten& flatten_;
  nn::Linear& fc_;
};

SafetensorsFile golden() {
  return SafetensorsFile::open(std::string(SEPIA_SOURCE_DIR) + "/tests/golden/weights_interop.safetensors");
}

std::vector<double> doubles_of(const SafetensorsFile& file, const char* name) {
  const auto bytes = file.data(*file.find(name));
  std::vector<double> values(bytes.size() / sizeof(double));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<std::byte> saved(nn::Module& module, const TensorFileMetadata& metadata = {}) {
  const auto tensors = state_dict(module);
  SafetensorsWriter writer;
  writer.metadata = metadata;
  add_tensors(writer, tensors);
  return writer.serialise();
}

/// A file with some tensors of `module` changed by `edit(tensor)`; it returns false to leave one out.
template <class Edit>
SafetensorsFile edited(nn::Module& module, Edit edit) {
  auto tensors = state_dict(module);
  SafetensorsWriter writer;
  for (FileTensor& tensor : tensors) {
    if (edit(tensor)) writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.data);
  }
  return SafetensorsFile::parse(writer.serialise(), "f.safetensors");
}

std::string refusal(const SafetensorsFile& file, nn::Module& module, const LoadParams& params = {}) {
  try {
    load_weights(file, module, params);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "accepted";
}

// All layouts at once: weights that PyTorch saved give PyTorch's outputs.
TEST(Weights, PyTorchsWeightsGivePyTorchsOutputs) {
  const auto file = golden();
  SmallNet net;
  net.place(kReferenceDevice, DType::kF64, 1);
  net.eval();
  LoadParams params;
  params.prefix = "net.";
  const LoadReport report = load_weights(file, net, params);
  EXPECT_EQ(report.loaded, 12u);
  EXPECT_THAT(report.missing, IsEmpty());
  EXPECT_THAT(report.unexpected, IsEmpty());
  EXPECT_EQ(net.bn().batches_tracked(), 3);

  const auto picture = doubles_of(file, "input");  // (2, 3, 6, 5) -> (2, 6, 5, 3)
  std::vector<double> channels_last(picture.size());
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t at = 0; at < 30; ++at) channels_last[(n * 30 + at) * 3 + c] = picture[(n * 3 + c) * 30 + at];
    }
  }
  const NoGradGuard no_grad;
  const Variable output = net(Variable(Tensor::from_host<double>(channels_last, {2, 6, 5, 3}, kReferenceDevice)));
  const auto expected = doubles_of(file, "output"), got = output.value().to_doubles();
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-12);
}

TEST(Weights, SavingGivesBackPyTorchsTensorsToTheBit) {
  const auto file = golden();
  SmallNet net;
  net.place(kCpuDevice, DType::kF32, 1);
  LoadParams params;
  params.prefix = "net.";
  load_weights(file, net, params);
  const auto tensors = state_dict(net, "net.");
  EXPECT_EQ(tensors.size(), 12u);
  for (const FileTensor& tensor : tensors) {
    const TensorEntry* entry = file.find(tensor.name);
    ASSERT_NE(entry, nullptr) << tensor.name;
    EXPECT_EQ(tensor.dtype, entry->dtype) << tensor.name;
    EXPECT_EQ(tensor.shape, entry->shape) << tensor.name;
    const auto bytes = file.data(*entry);
    EXPECT_TRUE(std::equal(tensor.data.begin(), tensor.data.end(), bytes.begin(), bytes.end())) << tensor.name;
  }
}

TEST(Weights, NetworksRoundTripToTheByteAndSayWhatTheyAre) {
  const test::TemporaryFolder folder;
  for (const std::string name : {"edgenet", "simplenet"}) {
    models::ModelSpec spec = models::default_spec(name);
    spec.image_size = 64;
    const auto first = models::make_model(spec), second = models::make_model(spec);
    first->place(kCpuDevice, DType::kF32, 1);
    second->place(kCpuDevice, DType::kF32, 2);
    ASSERT_NE(saved(*first), saved(*second));
    const auto path = folder / (name + ".safetensors");
    save_weights(path, *first, {{"sepia.model", name}});
    const auto file = SafetensorsFile::open(path);
    EXPECT_EQ(file.metadata().at("sepia.model"), name);
    const LoadReport report = load_weights(file, *second);
    EXPECT_EQ(report.loaded, file.entries().size());
    EXPECT_EQ(saved(*first), saved(*second));
  }
}

TEST(Weights, ShapesOfEdgeNetInFiles) {
  const auto net = models::make_model(models::default_spec("edgenet"));
  net->place(kCpuDevice, DType::kF32, 1);
  const auto file = SafetensorsFile::parse(saved(*net), "memory");
  EXPECT_EQ(file.entries().size(), 33u);  // 24 parameters, 3 batch norms with 3 buffers
  EXPECT_THAT(file.find("stem.weight")->shape, ElementsAre(32, 3, 3, 3));
  EXPECT_THAT(file.find("blocks.1.depthwise.weight")->shape, ElementsAre(64, 1, 3, 3));
  EXPECT_THAT(file.find("blocks.1.pointwise.weight")->shape, ElementsAre(128, 64, 1, 1));
  EXPECT_THAT(file.find("fc1.weight")->shape, ElementsAre(64, 256));
  EXPECT_THAT(file.find("blocks.2.bn.num_batches_tracked")->shape, IsEmpty());
  EXPECT_EQ(file.find("blocks.2.bn.num_batches_tracked")->dtype, DType::kI64);
}

TEST(Weights, OtherFloatingTypesAreConverted) {
  SmallNet net;
  net.place(kCpuDevice, DType::kF32, 1);
  const auto to_type = [&](DType dtype, const std::vector<std::uint16_t>& two) {
    return edited(net, [&](FileTensor& tensor) {
      if (tensor.name != "fc.bias") return true;
      tensor.dtype = dtype;
      const auto bytes = std::as_bytes(std::span(two));
      tensor.data.assign(bytes.begin(), bytes.end());
      return true;
    });
  };
  const auto bias = [&] {
    for (const auto& [name, parameter] : net.named_parameters()) {
      if (name == "fc.bias") return parameter->variable.stored().to_doubles();
    }
    return std::vector<double>{};
  };
  load_weights(to_type(DType::kF16, {0x3e00, 0x8001}), net);  // 1.5 and minus the smallest subnormal, 2^-24
  EXPECT_THAT(bias(), ElementsAre(1.5, -std::ldexp(1.0, -24)));
  load_weights(to_type(DType::kF16, {0x7bff, 0x0400}), net);
  EXPECT_THAT(bias(), ElementsAre(65504, std::ldexp(1.0, -14)));
  load_weights(to_type(DType::kBF16, {0x3fc0, 0xc000}), net);
  EXPECT_THAT(bias(), ElementsAre(1.5, -2));
  EXPECT_THAT(refusal(to_type(DType::kF16, {0x7c00, 0}), net), HasSubstr("'fc.bias' has a NaN or an infinity at element 0"));
}

TEST(Weights, PointwiseAndDepthwiseMayLackOnes) {
  SmallNet net, other;
  net.place(kCpuDevice, DType::kF32, 1);
  other.place(kCpuDevice, DType::kF32, 2);
  const auto file = edited(net, [](FileTensor& tensor) {
    if (tensor.name == "pointwise.weight") tensor.shape = {5, 4};
    if (tensor.name == "depthwise.weight") tensor.shape = {4, 3, 3};
    return !tensor.name.ends_with("num_batches_tracked");
  });
  EXPECT_EQ(load_weights(file, other).loaded, 11u);
  EXPECT_EQ(saved(net), saved(other));
}

TEST(Weights, WhatDoesNotFitIsNamedAndChangesNothing) {
  SmallNet net, other;
  net.place(kCpuDevice, DType::kF32, 1);
  other.place(kCpuDevice, DType::kF32, 2);
  const auto before = saved(other);
  const auto without = [&](const std::string& part) {
    return edited(net, [&](FileTensor& tensor) { return tensor.name.find(part) == std::string::npos; });
  };
  EXPECT_THAT(refusal(without("fc."), other), HasSubstr("10 tensors loaded, 2 missing (fc.weight, fc.bias), 0 unexpected"));
  EXPECT_THAT(refusal(without("e"), other), HasSubstr("missing (stem.weight, stem.bias, depthwise.weight, pointwise.weight, ... ("));
  EXPECT_THAT(refusal(edited(net,
                             [](FileTensor& tensor) {
                               if (tensor.name == "bn.running_var") tensor.shape = {1, 5, 1}, tensor.name = "bn.runing_var";
                               return true;
                             }),
                      other),
              HasSubstr("1 missing (bn.running_var), 1 unexpected ('bn.runing_var')"));
  EXPECT_THAT(refusal(edited(net,
                             [](FileTensor& tensor) {
                               if (tensor.name == "stem.weight") tensor.shape = {4, 3, 9};
                               return true;
                             }),
                      other),
              HasSubstr("f.safetensors: 'stem.weight' is [4,3,9], expected [4,3,3,3]"));
  EXPECT_THAT(refusal(edited(net,
                             [](FileTensor& tensor) {
                               if (tensor.name == "bn.weight") tensor.dtype = DType::kI32;
                               return true;
                             }),
                      other),
              HasSubstr("'bn.weight' has type I32"));
  EXPECT_THAT(refusal(edited(net,
                             [](FileTensor& tensor) {
                               const float nan = std::numeric_limits<float>::quiet_NaN();
                               if (tensor.name == "fc.weight") std::memcpy(tensor.data.data() + 28, &nan, 4);
                               return true;
                             }),
                      other),
              HasSubstr("'fc.weight' has a NaN or an infinity at element 7"));
  EXPECT_THAT(refusal(edited(net,
                             [](FileTensor& tensor) {
                               if (tensor.name == "bn.num_batches_tracked") tensor.dtype = DType::kI32, tensor.shape = {2};
                               return true;
                             }),
                      other),
              HasSubstr("'bn.num_batches_tracked' is I32 [2], expected one I64"));
  EXPECT_EQ(saved(other), before);

  LoadParams new_head;
  new_head.allow_missing = true;
  const LoadReport report = load_weights(without("fc."), other, new_head);
  EXPECT_THAT(report.missing, ElementsAre("fc.weight", "fc.bias"));
  EXPECT_NE(saved(other), before);
}

TEST(Weights, AnUndrawnModelRunsOnceAFileHasGivenItEverything) {
  SmallNet net, other;
  net.place(kCpuDevice, DType::kF32, 1);
  other.place_undrawn(kCpuDevice, DType::kF32);
  const auto run = [](SmallNet& module) {
    const NoGradGuard no_grad;
    return module(Variable(Tensor::zeros({1, 6, 5, 3}, DType::kF32, kCpuDevice))).value().to_doubles();
  };
  const auto is_refused = [&] {
    for (const auto& use : {std::function<void()>([&] { run(other); }), std::function<void()>([&] { saved(other); })}) {
      try {
        use();
        return false;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kInternal) return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(is_refused());
  const auto without_head = edited(net, [](FileTensor& tensor) { return !tensor.name.starts_with("fc."); });
  EXPECT_THAT(refusal(without_head, other), HasSubstr("2 missing (fc.weight, fc.bias)"));
  LoadParams new_head;
  new_head.allow_missing = true;
  load_weights(without_head, other, new_head);
  EXPECT_TRUE(is_refused()) << "nothing was drawn for the head";
  LoadParams other_head;
  other_head.source_name = [](const std::string& name) { return name.starts_with("fc.") ? "" : name; };
  load_weights(SafetensorsFile::parse(saved(net), "f.safetensors"), other, other_head);
  EXPECT_TRUE(is_refused());

  load_weights(SafetensorsFile::parse(saved(net), "f.safetensors"), other);
  EXPECT_EQ(saved(net), saved(other));
  EXPECT_EQ(run(net), run(other));
}

TEST(Weights, ArenasAreCutIntoNamedTensorsAndComeBack) {
  SmallNet net;
  net.place(kCpuDevice, DType::kF32, 1);
  const Tensor& weights = net.flat().weights();
  const auto moments = arena_tensors(net, weights, "optim.exp_avg.");
  ASSERT_EQ(moments.size(), 9u);
  EXPECT_EQ(moments[0].name, "optim.exp_avg.stem.weight");
  EXPECT_THAT(moments[0].shape, ElementsAre(4, 3, 3, 3));
  EXPECT_EQ(moments[0].data, state_dict(net)[0].data);

  SafetensorsWriter writer;
  const auto state = state_dict(net);
  add_tensors(writer, state);
  add_tensors(writer, moments);
  const auto file = SafetensorsFile::parse(writer.serialise(), "f.safetensors");
  const Tensor arena = Tensor::zeros(weights.shape(), DType::kF32, kCpuDevice);
  load_arena(file, net, arena, "optim.exp_avg.");
  EXPECT_EQ(arena.to_host<float>(), weights.to_host<float>());
  EXPECT_THAT(load_weights(file, net).unexpected, IsEmpty());  // the optimiser's tensors are no strangers
  EXPECT_THROW(load_arena(file, net, arena, "optim.exp_avg_sq."), Error);
}

}  // namespace
}  // namespace sepia
