#include "models/model.h"

#include <gtest/gtest.h>

#include "engine/base/error.h"

namespace sepia::models {
namespace {

TEST(Models, ParameterCountsAreTheDocuments) {
  EXPECT_EQ(make_model(default_spec("simplenet"))->parameter_count(), 16'901'762);
  EXPECT_EQ(make_model(default_spec("edgenet"))->parameter_count(), 64'066);
  ModelSpec xception = default_spec("xception");
  EXPECT_EQ(make_model(xception)->parameter_count(), 22'855'952);
  xception.classes = 2;
  EXPECT_EQ(make_model(xception)->parameter_count(), 20'811'050);
  EXPECT_EQ(make_model(default_spec("xception_based"))->parameter_count(), 23'128'786);
}

TEST(Models, ForwardGivesLogitsPerPicture) {
  for (const std::string& name : model_names()) {
    ModelSpec spec = default_spec(name);
    spec.image_size = 64;
    const auto model = make_model(spec);
    model->place(kCpuDevice, DType::kF32, 1);
    model->eval();
    const NoGradGuard no_grad;
    EXPECT_EQ((*model)(Variable(Tensor::zeros({3, 64, 64, 3}, DType::kF32, kCpuDevice))).shape(), Shape({3, spec.classes})) << name;
  }
}

TEST(Models, SimpleNetRefusesPicturesThatDoNotFit) {
  ModelSpec spec = default_spec("simplenet");
  spec.image_size = 49;
  EXPECT_THROW(make_model(spec), Error);
  spec.image_size = 50;
  EXPECT_NO_THROW(make_model(spec));
}

TEST(Models, UnknownNameListsTheKnownOnes) {
  try {
    default_spec("resnet");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("simplenet, edgenet"), std::string::npos);
  }
}

}  // namespace
}  // namespace sepia::models
