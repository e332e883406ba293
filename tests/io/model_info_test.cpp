#include "engine/io/model_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/error.h"

namespace sepia {
namespace {

using ::testing::HasSubstr;

ModelInfo edgenet() {
  ModelInfo info;
  info.model = "edgenet";
  info.mean = {0.4914, 0.4822, 1.0 / 3};
  info.std = {0.2023, 0.1994, 0.2010};
  info.image_size = 64;
  return info;
}

TEST(ModelInfo, KeysAndValuesAreTheDocumentedOnes) {
  const auto metadata = to_metadata(edgenet());
  EXPECT_EQ(metadata, (TensorFileMetadata{{"format", "pt"},
                                          {"sepia.model", "edgenet"},
                                          {"sepia.mean", "0.4914,0.4822,0.3333333333333333"},
                                          {"sepia.std", "0.2023,0.1994,0.201"},
                                          {"sepia.input", "rgb"},
                                          {"sepia.image_size", "64"},
                                          {"sepia.classes", "2"},
                                          {"sepia.numerics", "pytorch"}}));
  EXPECT_EQ(model_info_from_metadata(metadata, "f"), edgenet());
  EXPECT_FALSE(model_info_from_metadata({{"format", "pt"}}, "f").has_value());
}

TEST(ModelInfo, DamagedValuesAreRefusedByName) {
  const auto refusal = [](const std::string& key, const char* value) -> std::string {
    auto metadata = to_metadata(edgenet());
    metadata.erase(key);
    if (value != nullptr) metadata[key] = value;
    try {
      model_info_from_metadata(metadata, "f.safetensors");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "accepted";
  };
  for (const char* key : {"sepia.mean", "sepia.std", "sepia.input", "sepia.image_size", "sepia.classes", "sepia.numerics"}) {
    EXPECT_THAT(refusal(key, nullptr), HasSubstr("f.safetensors: metadata " + std::string(key) + " is missing"));
    EXPECT_THAT(refusal(key, ""), HasSubstr("metadata " + std::string(key) + " is ''"));
    EXPECT_THAT(refusal(key, "\x1b[2J\n"), HasSubstr("'\\x1b[2J\\x0a'"));
  }
  for (const char* bad : {"1,2", "1,2,3,4", "1,2,3,", "1;2;3", "nan,1,1", "1,inf,1", " 1,2,3", "1,2,0x3"}) {
    EXPECT_THAT(refusal("sepia.mean", bad), HasSubstr("expected three numbers R,G,B")) << bad;
  }
  EXPECT_THAT(refusal("sepia.std", "0.2,0,0.2"), HasSubstr("expected numbers above zero"));
  for (const char* bad : {"0", "-1", "65537", "64.0", "64x", "99999999999999999999"}) {
    EXPECT_THAT(refusal("sepia.image_size", bad), HasSubstr("expected a whole number from 1 to 65536")) << bad;
  }
  EXPECT_THAT(refusal("sepia.classes", "1"), HasSubstr("expected a whole number from 2"));
  EXPECT_THAT(refusal("sepia.input", "grey"), HasSubstr("expected rgb or residual"));
  EXPECT_THAT(refusal("sepia.numerics", "caffe"), HasSubstr("expected pytorch or keras"));
}

}  // namespace
}  // namespace sepia
