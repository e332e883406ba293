// Every tensor of Keras' Xception, in both kinds of files, becomes one of timm's with the same shape. The two lists were written by Keras
// (tests/golden/make_keras_names.py) and timm (make_xception_goldens.py).
#include "tools/convert/keras_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "engine/base/error.h"

namespace sepia::convert {
namespace {

struct Line {
  std::string scheme, path, name, shape;
};

std::vector<Line> lines() {
  std::ifstream file(std::string(SEPIA_SOURCE_DIR) + "/tests/golden/keras_xception_names.txt");
  std::vector<Line> result;
  for (Line line; file >> line.scheme >> line.path >> line.name >> line.shape;) result.push_back(line);
  return result;
}

/// A file of these tensors, without their elements: only names, attributes and shapes matter here.
WeightFile file_of(const std::string& scheme, bool with_names) {
  WeightFile file;
  file.source = "f.h5";
  for (const Line& line : lines()) {
    if (line.scheme != scheme) continue;
    FileTensor tensor{.name = line.path, .dtype = DType::kF32, .shape = {}, .data = {}};
    std::istringstream extents(line.shape);
    for (std::string extent; std::getline(extents, extent, 'x');) tensor.shape.push_back(std::stoll(extent));
    file.tensors.push_back(std::move(tensor));
    if (with_names && line.name != "-") file.notes.emplace_back(line.path.substr(0, line.path.rfind('/')) + "@name", line.name);
  }
  return file;
}

std::set<std::string> names_and_shapes(const std::vector<FileTensor>& tensors) {
  std::set<std::string> result;
  for (const FileTensor& tensor : tensors) {
    std::string line = tensor.name + " ";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) line += (i > 0 ? "x" : "") + std::to_string(tensor.shape[i]);
    result.insert(line);
  }
  return result;
}

std::set<std::string> timms() {
  std::ifstream file(std::string(SEPIA_SOURCE_DIR) + "/tests/golden/xception_names.txt");
  std::set<std::string> result;
  for (std::string line; std::getline(file, line);) {
    if (line.find("num_batches_tracked") == std::string::npos) result.insert(line);
  }
  return result;
}

TEST(KerasNames, All236BecomeTimms) {
  ASSERT_EQ(timms().size(), 236u);
  for (const auto& [scheme, with_names] : {std::pair("keras3", true), {"keras3", false}, {"tf_keras", true}}) {
    const WeightFile file = file_of(scheme, with_names);
    EXPECT_EQ(file.tensors.size(), 236u) << scheme;
    EXPECT_EQ(names_and_shapes(keras_xception(file).tensors), timms()) << scheme << (with_names ? "" : ", places in a class alone");
  }
  EXPECT_FALSE(file_of("keras3", true).notes.empty()) << "Keras 3 writes the layers' names";
}

TEST(KerasNames, AnotherNetworkIsRefused) {
  const auto refusal = [](const WeightFile& file) -> std::string {
    try {
      keras_xception(file);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "accepted";
  };
  WeightFile fewer = file_of("tf_keras", false);
  std::erase_if(fewer.tensors, [](const FileTensor& tensor) { return tensor.name.ends_with("/conv2d_3/kernel"); });
  EXPECT_THAT(refusal(fewer), ::testing::HasSubstr("has 3 layers named conv2d_N, Keras' Xception has 4"));
  WeightFile other = file_of("keras3", true);
  other.tensors.front().name = "layers/lstm/vars/0";
  EXPECT_THAT(refusal(other), ::testing::HasSubstr("'layers/lstm/vars/0' is no weight of a layer that Keras' Xception has"));
  WeightFile flat = file_of("tf_keras", false);
  std::ranges::find_if(flat.tensors, [](const FileTensor& tensor) { return tensor.name.ends_with("kernel"); })->shape.push_back(1);
  EXPECT_THAT(refusal(flat), ::testing::HasSubstr("dimensions"));
}

}  // namespace
}  // namespace sepia::convert
