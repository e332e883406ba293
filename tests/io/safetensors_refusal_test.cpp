// RELIABILITY F9: what is not exactly the format is refused with the reason, and no mutation of a file crashes the reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/random.h"
#include "engine/io/safetensors.h"

namespace sepia {
namespace {

std::vector<std::byte> to_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string length_field(std::uint64_t length) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return text;
}

/// A file with this header and so many bytes of data.
std::string file_of(const std::string& json, std::size_t data) {
  return length_field(json.size()) + json + std::string(data, 'd');
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

struct Case {
  std::string name;
  std::string file;
  std::string reason;
};

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::vector<Case> cases() {
  const std::string a = tensor("a", "F32", "[1]", "[0,4]"), b = tensor("b", "F32", "[1]", "[4,8]");
  const auto one = [](const std::string& entry, std::size_t data = 4) { return file_of("{" + entry + "}", data); };
  const auto body = [&](const std::string& fields) { return file_of("{\"a\":{" + fields + "}}", 4); };
  const std::string d = R"("dtype":"F32")", s = R"("shape":[1])", o = R"("data_offsets":[0,4])";
  std::string deep = "{\"a\":";
  for (int i = 0; i < 200000; ++i) deep += "[";
  std::string many_ones = "[1";
  for (int i = 1; i < 33; ++i) many_ones += ",1";
  many_ones += "]";
  return {
      {"Empty", "", "0 bytes"},
      {"SevenBytes", "1234567", "7 bytes"},
      {"NoHeader", length_field(0), "does not begin with '{'"},
      {"HeaderLongerThanFile", length_field(100) + "{}", "the header has 100 bytes, the file 2 after"},
      {"HeaderAboveLimit", length_field(100'000'001) + "{}", "more than the 100000000 allowed"},
      {"HeaderLengthAllOnes", std::string(8, '\xff') + "{}", "more than the 100000000 allowed"},
      {"LeadingSpace", file_of(" {}", 0), "does not begin with '{'"},
      {"ByteOrderMark", file_of("\xef\xbb\xbf{}", 0), "does not begin with '{'"},
      {"NotJson", file_of("{nonsense", 0), "not valid JSON at byte"},
      {"NotUtf8", file_of("{\"\xff\xfe\":1}", 0), "not valid JSON at byte"},
      {"CutJson", file_of(R"({"a":{"dtype")", 0), "not valid JSON at byte"},
      {"TextAfterJson", file_of("{} x", 0), "not valid JSON at byte"},
      {"ZeroAfterJson", file_of(std::string("{}\0\0", 4), 0), "zero byte at 2"},
      {"TopIsList", file_of("[]", 0), "does not begin with '{'"},
      {"TensorIsNumber", file_of(R"({"a":1})", 0), "a number stands where none belongs"},
      {"TensorIsNull", file_of(R"({"a":null})", 0), "null stands"},
      {"TensorIsString", file_of(R"({"a":"F32"})", 0), "a string stands"},
      {"DeepLists", file_of(deep, 0), "a list stands"},
      {"DeepObjects", file_of(R"({"a":{"dtype":{"b":{}}}})", 0), "tensor 'a': an object stands"},
      {"DuplicateTensor", file_of("{" + a + "," + a + "}", 4), "'a' stands twice"},
      {"DuplicateTensorEscaped", file_of("{" + a + "," + tensor("\\u0061", "F32", "[1]", "[4,8]") + "}", 8), "'a' stands twice"},
      {"DuplicateField", body(d + "," + d + "," + s + "," + o), "field 'dtype' stands twice"},
      {"DuplicateMetadata", file_of(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "metadata key 'k' stands twice"},
      {"DuplicateMetadataBlock", file_of(R"({"__metadata__":{},"__metadata__":{}})", 0), "'__metadata__' stands twice"},
      {"MetadataNumber", file_of(R"({"__metadata__":{"k":1}})", 0), "a number stands"},
      {"MetadataObject", file_of(R"({"__metadata__":{"k":{}}})", 0), "an object stands"},
      {"MetadataList", file_of(R"({"__metadata__":[]})", 0), "a list stands"},
      {"UnknownField", body(d + "," + s + "," + o + R"(,"strides":[1])"), "tensor 'a': unknown field 'strides'"},
      {"NoDtype", body(s + "," + o), "dtype, shape and data_offsets are needed"},
      {"NoShape", body(d + "," + o), "dtype, shape and data_offsets are needed"},
      {"NoOffsets", body(d + "," + s), "dtype, shape and data_offsets are needed"},
      {"UnknownDtype", one(tensor("a", "F8_E4M3", "[4]", "[0,4]")), "tensor 'a' has type 'F8_E4M3'; known are F64"},
      {"LowercaseDtype", one(tensor("a", "f32", "[1]", "[0,4]")), "has type 'f32'"},
      {"DtypeNumber", body(R"("dtype":1,)" + s + "," + o), "a number stands"},
      {"ShapeNegative", one(tensor("a", "F32", "[-1]", "[0,4]")), "number -1 is negative"},
      {"ShapeFraction", one(tensor("a", "F32", "[1.0]", "[0,4]")), "number '1.0' is not a 64-bit integer"},
      {"ShapeString", one(tensor("a", "F32", R"(["1"])", "[0,4]")), "a string stands"},
      {"ShapeNested", one(tensor("a", "F32", "[[1]]", "[0,4]")), "a list stands"},
      {"ShapeTrue", one(tensor("a", "F32", "[true]", "[0,4]")), "true or false stands"},
      {"ShapeAboveInt64", one(tensor("a", "F32", "[9223372036854775808]", "[0,4]")), "is too large"},
      {"ShapeAboveUint64", one(tensor("a", "F32", "[18446744073709551616]", "[0,4]")), "is not a 64-bit integer"},
      {"ShapeOverflow", one(tensor("a", "F32", "[4294967296,4294967296]", "[0,4]")), "larger than a file can be"},
      {"ShapeOverflowToSmall", one(tensor("a", "F32", "[4611686018427387905]", "[0,4]")), "larger than a file can be"},
      {"ShapeTooManyDimensions", one(tensor("a", "F32", many_ones, "[0,4]")), "more than 32 dimensions"},
      {"SizeAboveShape", one(tensor("a", "F32", "[1]", "[0,5]"), 5), "F32 [1] needs 4 bytes, data_offsets give 5"},
      {"SizeBelowShape", one(tensor("a", "F32", "[2,1]", "[0,4]")), "F32 [2,1] needs 8 bytes, data_offsets give 4"},
      {"OffsetsReversed", one(tensor("a", "F32", "[1]", "[4,0]")), "end before they begin"},
      {"OffsetsOne", one(tensor("a", "F32", "[1]", "[4]")), "fewer than two"},
      {"OffsetsThree", one(tensor("a", "F32", "[1]", "[0,4,8]")), "more than two"},
      {"OffsetsObject", body(d + "," + s + R"(,"data_offsets":{})"), "an object stands"},
      {"OffsetsAboveFile", one(tensor("a", "F32", "[1]", "[9223372036854775803,9223372036854775807]")), "a hole"},
      {"HoleAtStart", one(b, 8), "'b' begins at byte 4 of the data, but the one before ends at 0: a hole"},
      {"HoleBetween", file_of("{" + a + "," + tensor("b", "F32", "[1]", "[5,9]") + "}", 9), "ends at 4: a hole"},
      {"Overlap", file_of("{" + a + "," + tensor("b", "F32", "[1]", "[2,6]") + "}", 6),
       "begins at byte 2 of the data, but the one before ends at 4: they overlap"},
      {"SameBytesTwice", file_of("{" + a + "," + tensor("b", "F32", "[1]", "[0,4]") + "}", 4), "they overlap"},
      {"DataTooShort", one(a, 3), "tensors need 4 bytes after the header, the file has 3"},
      {"DataTooLong", one(a, 5), "1 bytes after the last tensor"},
      {"DataWithoutTensors", file_of("{}", 1), "1 bytes after the last tensor"},
      {"NameEmpty", one(tensor("", "F32", "[1]", "[0,4]")), "tensor name '' is empty"},
      {"NameControl", one(tensor("a\\u001b[2J", "F32", "[1]", "[0,4]")), "tensor name 'a\\x1b[2J' has control characters"},
      {"NameZero", one(tensor("a\\u0000", "F32", "[1]", "[0,4]")), "has control characters"},
      {"Zip", std::string("PK\x03\x04 0000000000"), "a ZIP archive, probably PyTorch weights"},
      {"LegacyPickle", std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 000000"), "a PyTorch weights file"},
      {"Hdf5", std::string("\x89HDF\r\n\x1a\n 000000"), "an HDF5 file"},
      {"LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"},
  };
}

class SafetensorsRefusal : public ::testing::TestWithParam<Case> {};

TEST_P(SafetensorsRefusal, SaysWhyInOneLine) {
  const std::string message = answer(GetParam().file);
  EXPECT_THAT(message, ::testing::StartsWith("f.safetensors: "));
  EXPECT_THAT(message, ::testing::HasSubstr(GetParam().reason));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Format, SafetensorsRefusal, ::testing::ValuesIn(cases()),
                         [](const ::testing::TestParamInfo<Case>& info) { return info.param.name; });

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
