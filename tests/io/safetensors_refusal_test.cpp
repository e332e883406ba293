// RELIABILITY F9: what is not exactly the format is refused with the reason, and no mutation of a file crashes the reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/random.h"
#include "engine/io/safetensors.h"
#include "tests/io/support/hostile_files.h"
#include "tests/io/support/safetensors_builder.h"

namespace sepia {
namespace {

using test::safetensors::file_of;
using test::safetensors::tensor;

std::vector<std::byte> to_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// What the reader says; "accepted" when it takes the file. Any other exception ends the test.
std::string answer(const std::string& file) {
  try {
    SafetensorsFile::parse(to_bytes(file), "f.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "accepted";
}

class SafetensorsRefusal : public ::testing::TestWithParam<test::HostileFile> {};

TEST_P(SafetensorsRefusal, SaysWhyInOneLine) {
  const std::string message = answer(GetParam().bytes);
  EXPECT_THAT(message, ::testing::StartsWith("f.safetensors: "));
  EXPECT_THAT(message, ::testing::HasSubstr(GetParam().reason));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Format, SafetensorsRefusal, ::testing::ValuesIn(test::hostile_safetensors_files()),
                         [](const ::testing::TestParamInfo<test::HostileFile>& info) { return info.param.name; });

TEST(SafetensorsAcceptance, WhatTheFormatAllowsIsTaken) {
  const std::string a = tensor("a", "F32", "[1]", "[0,4]");
  EXPECT_EQ(answer(file_of("{}", 0)), "accepted");
  EXPECT_EQ(answer(file_of("{}  \n\t ", 0)), "accepted");
  EXPECT_EQ(answer(file_of("{ \"b\" : {\"shape\":[], \"data_offsets\":[4,8], \"dtype\":\"I32\"}," + a + "}", 8)), "accepted");
  EXPECT_EQ(answer(file_of("{" + tensor("z", "F32", "[0,5]", "[4,4]") + "," + a + "}", 4)), "accepted");
  EXPECT_EQ(answer(file_of(R"({"__metadata__":{}})", 0)), "accepted");
}

/// Everything that the reader promises of a file it accepted.
void expect_sound(const SafetensorsFile& file) {
  std::uint64_t end = 0;
  std::size_t sum = 0;
  for (const auto& entry : file.entries()) {
    EXPECT_EQ(entry.offset, end);
    end += entry.bytes;
    EXPECT_EQ(file.find(entry.name), &entry);
    for (const std::byte value : file.data(entry)) sum += std::to_integer<std::size_t>(value);
  }
  EXPECT_LE(sum, end * 255);
}

TEST(SafetensorsFuzz, FiveThousandMutationsAreRefusedOrSound) {
  SafetensorsWriter writer;
  const std::vector<float> floats(20, 1.5f);
  const std::vector<std::int64_t> integers{3};
  writer.add("conv.weight", DType::kF32, {2, 5, 2}, std::as_bytes(std::span(floats)));
  writer.add("conv.bias", DType::kF32, {20}, std::as_bytes(std::span(floats)));
  writer.add("tracked", DType::kI64, {}, std::as_bytes(std::span(integers)));
  writer.metadata = {{"sepia.model", "x"}, {"sepia.mean", "0.5,0.5,0.5"}};
  const auto original = writer.serialise();
  const std::string header_characters = "{}[]\",:0123456789-.eE\\u ";
  constexpr int kMutations = 5000;
  int accepted = 0, refused = 0;
  for (int i = 0; i < kMutations; ++i) {
    RandomStream random(11, RandomPurpose::kTest, static_cast<std::uint32_t>(i));
    auto bytes = original;
    for (std::uint32_t edits = 1 + random.below(4); edits > 0; --edits) {
      const std::size_t size = bytes.size();
      if (size < 2) break;
      const std::size_t at =
          random.below(2) != 0 ? random.below(static_cast<std::uint32_t>(size)) : std::min<std::size_t>(random.below(420), size - 1);
      switch (random.below(6)) {
        case 0:
          bytes[at] ^= std::byte(1u << random.below(8));
          break;
        case 1:
          bytes[at] = std::byte(random.below(256));
          break;
        case 2:
          bytes[at] = std::byte(header_characters[random.below(static_cast<std::uint32_t>(header_characters.size()))]);
          break;
        case 3:
          bytes.resize(at);
          break;
        case 4:
          bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
          break;
        default: {
          const std::size_t count = std::min<std::size_t>(random.below(60), size - at);
          const std::vector<std::byte> part(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                            bytes.begin() + static_cast<std::ptrdiff_t>(at + count));
          bytes.insert(bytes.begin() + random.below(static_cast<std::uint32_t>(size)), part.begin(), part.end());
        }
      }
    }
    try {
      expect_sound(SafetensorsFile::parse(std::move(bytes), "mutation"));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(accepted + refused, kMutations);
  EXPECT_GT(accepted, 50);  // changes of data alone, and of names
  EXPECT_GT(refused, 3000);
}

}  // namespace
}  // namespace sepia
