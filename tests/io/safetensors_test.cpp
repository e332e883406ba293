#include "engine/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/file.h"

namespace sepia {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::filesystem::path kGolden = std::filesystem::path(SEPIA_SOURCE_DIR) / "tests/golden/safetensors_interop.safetensors";

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

template <class T>
std::vector<T> values_of(const SafetensorsFile& file, std::string_view name) {
  const TensorEntry* entry = file.find(name);
  if (entry == nullptr) return {};
  std::vector<T> values(entry->bytes / sizeof(T));
  std::memcpy(values.data(), file.data(*entry).data(), entry->bytes);
  return values;
}

std::vector<std::string> names_of(const SafetensorsFile& file) {
  std::vector<std::string> names;
  for (const auto& entry : file.entries()) names.push_back(entry.name);
  return names;
}

// Written by the format's own library (tests/golden/make_safetensors.py).
TEST(Safetensors, ReadsWhatTheReferenceLibraryWrote) {
  const auto file = SafetensorsFile::open(kGolden);
  EXPECT_EQ(file.entries().size(), 8u);
  EXPECT_THAT(values_of<double>(file, "double"), ElementsAre(-2, -1, 0));
  EXPECT_THAT(values_of<float>(file, "conv.weight"), ElementsAre(-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(file.find("conv.weight")->shape, ElementsAre(2, 3, 1, 2));
  EXPECT_THAT(values_of<std::uint16_t>(file, "half"), ElementsAre(0xc000, 0xbc00, 0, 0x3c00, 0x4000));
  EXPECT_THAT(values_of<std::uint16_t>(file, "brain"), ElementsAre(0xc000, 0xbf80, 0, 0x3f80));
  EXPECT_THAT(values_of<std::int64_t>(file, "bn.num_batches_tracked"), ElementsAre(-2));
  EXPECT_TRUE(file.find("bn.num_batches_tracked")->shape.empty());
  EXPECT_THAT(values_of<std::int32_t>(file, "int"), ElementsAre(-2, -1, 0, 1));
  EXPECT_EQ(file.find("empty")->bytes, 0u);
  EXPECT_THAT(values_of<std::uint8_t>(file, "bytes"), ElementsAre(0, 1, 2));
  EXPECT_EQ(file.metadata().at("sepia.model"), "simplenet");
  EXPECT_EQ(file.metadata().at("note"), "quote \" and \xc3\xbc");
  EXPECT_EQ(file.find("none"), nullptr);
}

TEST(Safetensors, WritingGivesExactlyTheseBytes) {
  SafetensorsWriter writer;
  const std::vector<std::uint8_t> small{7};
  const std::vector<float> large{1.0f, -2.0f};
  writer.add("b", DType::kU8, {1}, bytes_of(small));
  writer.add("a", DType::kF32, {2, 1}, bytes_of(large));
  writer.metadata["k"] = "v\n";
  const std::string json =
      R"({"__metadata__":{"k":"v\n"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})";
  std::string expected = json + std::string((8 - json.size() % 8) % 8, ' ');
  expected = std::string{static_cast<char>(expected.size()), 0, 0, 0, 0, 0, 0, 0} + expected;
  expected += std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x07", 9);
  const auto bytes = writer.serialise();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), expected);
}

TEST(Safetensors, RoundTripKeepsEverythingAndIsAligned) {
  std::vector<double> doubles(3, 0.5);
  std::vector<float> floats(5);
  std::iota(floats.begin(), floats.end(), 1.0f);
  std::vector<std::uint16_t> halves{1, 2, 3};
  std::vector<std::int64_t> tracked{41};
  std::vector<std::uint8_t> raw{9, 8, 7};
  SafetensorsWriter writer;
  writer.add("raw", DType::kU8, {3}, bytes_of(raw));
  writer.add("halves", DType::kBF16, {3, 1}, bytes_of(halves));
  writer.add("floats", DType::kF32, {1, 5}, bytes_of(floats));
  writer.add("doubles", DType::kF64, {3}, bytes_of(doubles));
  writer.add("nothing", DType::kF32, {4, 0}, {});
  writer.add("tracked", DType::kI64, {}, bytes_of(tracked));
  writer.add("n\"a\\me \xe4\xba\xba", DType::kF16, {3}, bytes_of(halves));
  const auto file = SafetensorsFile::parse(writer.serialise(), "memory");
  EXPECT_THAT(names_of(file), ElementsAre("doubles", "tracked", "floats", "nothing", "halves", "n\"a\\me \xe4\xba\xba", "raw"));
  EXPECT_EQ(values_of<double>(file, "doubles"), doubles);
  EXPECT_EQ(values_of<float>(file, "floats"), floats);
  EXPECT_EQ(values_of<std::uint16_t>(file, "halves"), halves);
  EXPECT_EQ(values_of<std::int64_t>(file, "tracked"), tracked);
  EXPECT_EQ(values_of<std::uint8_t>(file, "raw"), raw);
  EXPECT_THAT(file.find("nothing")->shape, ElementsAre(4, 0));
  for (const auto& entry : file.entries()) EXPECT_EQ(entry.offset % dtype_size(entry.dtype), 0u) << entry.name;
  EXPECT_EQ(writer.serialise(), writer.serialise());
}

TEST(Safetensors, AnEmptyFileOfTensorsIsWholeToo) {
  const auto file = SafetensorsFile::parse(SafetensorsWriter().serialise(), "memory");
  EXPECT_TRUE(file.entries().empty());
  EXPECT_TRUE(file.metadata().empty());
}

TEST(Safetensors, WriteAndOpenAgreeWithSerialise) {
  const auto path = std::filesystem::temp_directory_path() / str("sepia_safetensors_", ::testing::UnitTest::GetInstance()->random_seed());
  SafetensorsWriter writer;
  const std::vector<float> values{1, 2, 3};
  writer.add("x", DType::kF32, {3}, bytes_of(values));
  writer.write(path);
  EXPECT_EQ(read_file(path, 1000), writer.serialise());
  EXPECT_EQ(values_of<float>(SafetensorsFile::open(path), "x"), values);
  std::filesystem::remove(path);
  EXPECT_THROW(SafetensorsFile::open(path), Error);
}

TEST(Safetensors, WriterRefusesWhatCouldNotBeRead) {
  SafetensorsWriter writer;
  const std::vector<float> values{1, 2, 3};
  writer.add("x", DType::kF32, {3}, bytes_of(values));
  const auto refused = [&](const std::string& name, std::vector<std::int64_t> shape) -> std::string {
    try {
      writer.add(name, DType::kF32, std::move(shape), bytes_of(values));
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refused("x", {3}), HasSubstr("added twice"));
  EXPECT_THAT(refused("", {3}), HasSubstr("is empty"));
  EXPECT_THAT(refused("__metadata__", {3}), HasSubstr("is reserved"));
  EXPECT_THAT(refused("a\nb", {3}), HasSubstr("control characters"));
  EXPECT_THAT(refused("\xff", {3}), HasSubstr("UTF-8"));
  EXPECT_THAT(refused("y", {4}), HasSubstr("F32 [4], which is not 12 bytes"));
  EXPECT_THAT(refused("y", {-3}), HasSubstr("not 12 bytes"));
  writer.metadata["bad"] = "\xc3";
  EXPECT_THROW(writer.serialise(), Error);
}

}  // namespace
}  // namespace sepia
