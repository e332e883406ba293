#include "tests/io/support/hostile_files.h"
#include "tests/io/support/safetensors_builder.h"

namespace sepia::test {

using safetensors::file_of;
using safetensors::length_field;
using safetensors::tensor;

std::vector<HostileFile> hostile_safetensors_files() {
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

}  // namespace sepia::test
