#include "tests/io/support/hostile_files.h"

#include "tests/io/support/torch_file_builder.h"

namespace sepia::test {
namespace {

namespace p = pickle;

const std::string kData(16, '\1');

/// An archive of a checkpoint whose pickle is this value, with one storage "0" of four floats.
std::string archive(const std::string& value) { return zip(checkpoint_parts(p::whole(value), {{"0", kData}})); }
std::string one_named(const std::string& tensor) { return archive(p::dict(p::text("a") + tensor)); }
std::string call(const std::string& module, const std::string& name, const std::string& arguments = p::tuple(p::text("true"))) {
  return archive(p::dict(p::text("a") + p::global(module, name) + arguments + "R"));
}
/// A NumPy number: its type (and what is done to that), and the text of its bytes.
std::string numpy(const std::string& type, const std::string& state, const std::string& text) {
  const std::string dtype = p::global("numpy", "dtype") + p::tuple(type + "\x89\x88") + "R" + state;
  const std::string bytes = p::global("_codecs", "encode") + p::tuple(p::text(text) + p::text("latin1")) + "R";
  return archive(p::dict(p::text("a") + p::global("numpy.core.multiarray", "scalar") + p::tuple(dtype + bytes) + "R"));
}
std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

std::vector<HostileFile> pickles() {
  const std::string good = p::tensor(p::storage("0", 4), 0, {4}, {1});
  const auto shaped = [](std::int64_t offset, const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
    return one_named(p::tensor(p::storage("0", 4), offset, shape, strides));
  };
  std::string doubling = "](K\1K\2e" "q\1";  // each list holds the one before ten times
  for (int i = 0; i < 40; ++i) doubling += "0](" + repeated("h\1", 10) + "eq\1";
  std::string copies = "](" + repeated("K\1K\2\x86", 20000) + "eq\1";  // and then as many ordered dicts of it as it takes
  copies += repeated(p::global("collections", "OrderedDict") + "h\1\x85R0", 2000);
  const std::string big = repeated("N0", 100) + "X" + le(17 << 20, 4) + std::string(17 << 20, 'a') + ".";
  return {
      {"SystemCall", call("os", "system"), "refuses to run os.system (a checkpoint holds only tensors"},
      {"PosixCall", call("posix", "system"), "refuses to run posix.system"},
      {"Eval", call("builtins", "eval"), "refuses to run builtins.eval"},
      {"Exec", call("__builtin__", "exec"), "refuses to run __builtin__.exec"},
      {"Subprocess", call("subprocess", "Popen"), "refuses to run subprocess.Popen"},
      {"TorchLoad", call("torch", "load"), "refuses to run torch.load"},
      {"GetAttribute", call("builtins", "getattr"), "refuses to run builtins.getattr"},
      {"GlobalWithoutCall", archive(p::dict(p::text("a") + p::global("os", "system"))), "refuses to run os.system"},
      {"DottedGlobal", call("torch", "_utils._rebuild_tensor_v2.__globals__"), "refuses to run torch._utils._rebuild_tensor_v2.__globals__"},
      {"EscapesInGlobal", call("os\x1b[2J", "x"), "refuses to run os\\x1b[2J.x"},
      {"StackGlobal", archive(p::dict(p::text("a") + p::text("os") + p::text("system") + "\x93)R")), "refuses to run os.system"},
      {"LongGlobal", archive("c" + std::string(100000, 'a') + "\nb\n"), "more than 512 characters"},
      {"CallsAType", call("torch", "FloatStorage"), "refuses to run torch.FloatStorage"},
      {"CallsText", archive(p::text("os.system") + ")R"), "calls what is no function"},
      {"CallsWithoutTuple", archive(p::global("collections", "OrderedDict") + "]R"), "without a tuple"},
      {"NewObject", archive(p::global("collections", "OrderedDict") + ")\x81"), "refuses pickle opcode 129"},
      {"Inst", archive("(ios\nsystem\n"), "refuses pickle opcode 105"},
      {"Obj", archive("(" + p::global("collections", "OrderedDict") + "o"), "refuses pickle opcode 111"},
      {"Extension", archive("\x82\x01"), "refuses pickle opcode 130"},
      {"TextPersistentId", archive("Pstorage\n"), "refuses pickle opcode 80"},
      {"StringWithEscapes", archive("S'a'\n"), "refuses pickle opcode 83"},
      {"BuildOnTensor", one_named(good + p::dict("") + "b"), "refuses to set the attributes"},
      {"OtherPersistentId", archive(p::tuple(p::text("module")) + "Q"), "describes a storage wrongly"},
      {"Protocol", zip(checkpoint_parts("\x80\x09N.", {})), "protocol 9"},
      {"EmptyStack", archive("0"), "takes a value that is not there"},
      {"NoMark", archive("t"), "ends a list that has not begun"},
      {"BelowMark", archive("N(0t"), "takes a value that is not there"},
      {"OpenMark", archive("N("), "ends inside a list"},
      {"NothingLeft", archive(""), "ends with 0 values"},
      {"UnknownMemo", archive("h\7"), "recalls value 7"},
      {"DeepMarks", archive(repeated("(", 100000)), "nested more than 200 deep"},
      {"DeepLists", archive(repeated("]", 1 << 20)), "more than 100000 values on its stack"},
      {"DeepTuples", archive("N" + repeated("\x85", 1 << 20)), "makes more than 400000 values"},
      {"Doubling", archive(doubling), "no dict of named tensors"},
      {"CopiedDicts", archive(copies + "}"), "more than 2000000 members"},
      {"LongText", archive("X" + le(0xffffffff, 4) + "abc"), "truncated: the pickle ends"},
      {"LongInteger", archive(std::string("\x8a\xff", 2) + std::string(255, '\1')), "an integer of 255 bytes"},
      {"LongPickle", zip(checkpoint_parts(big, {})), "longer than the 16777216 bytes"},
      {"KeyWithoutValue", archive("}(" + p::text("a") + "u"), "a key without a value"},
      {"ItemsOfText", archive(p::text("a") + "(" + p::text("a") + "Nu"), "what is no dict"},
      {"AppendToDict", archive("}Na"), "what is no list"},
      {"TensorOfText", archive(p::global("torch._utils", "_rebuild_tensor_v2") + p::tuple(p::text("a")) + "R"), "describes a tensor wrongly"},
      {"DuplicateKey", archive(p::dict(p::text("a") + good + p::text("a") + good)), "'a' stands twice"},
      {"BareTensor", archive(good), "one bare tensor"},
      {"JustANumber", archive("K\1"), "no dict of named tensors"},
      {"NoTensors", archive(p::dict(p::text("epoch") + "K\1")), "no state dict found"},
      {"NameWithEscapes", archive(p::dict(p::text("a\x1b[2J") + good)), "has control characters"},
      {"EmptyName", archive(p::dict(p::text("") + good)), "is empty"},
      {"BeyondStorage", shaped(0, {5}, {1}), "reaches outside its storage of 4"},
      {"OffsetBeyond", shaped(4, {1}, {1}), "reaches outside"},
      {"OffsetHuge", shaped(INT64_MAX, {1}, {1}), "reaches outside"},
      {"StrideHuge", shaped(0, {2}, {INT64_MAX}), "reaches outside"},
      {"StrideOverflow", shaped(0, {3, 3}, {INT64_MAX / 2, INT64_MAX / 2}), "reaches outside"},
      {"NegativeOffset", shaped(-1, {1}, {1}), "offset or strides are wrong"},
      {"NegativeExtent", shaped(0, {-4}, {1}), "extent or stride -4"},
      {"NegativeStride", shaped(3, {4}, {-1}), "extent or stride -1"},
      {"ShapeOverflow", shaped(0, {1LL << 32, 1LL << 32}, {1, 1}), "larger than a file can be"},
      {"ExpandedBomb", shaped(0, {1LL << 40}, {0}), "tensors are larger than the file"},
      {"RepeatedElements", shaped(0, {8}, {0}), "repeats elements"},
      {"NineDimensions", shaped(0, {1, 1, 1, 1, 1, 1, 1, 1, 4}, {1, 1, 1, 1, 1, 1, 1, 1, 1}), "of 9 dimensions"},
      {"StridesTooFew", shaped(0, {2, 2}, {1}), "offset or strides are wrong"},
      {"OverlappingTensors",
       archive(p::dict(p::text("a") + p::tensor(p::storage("0", 4), 0, {3}, {1}) + p::text("b") + p::tensor(p::storage("0", 4), 2, {2}, {1}))), "share a part"},
      {"StorageMissing", one_named(p::tensor(p::storage("7", 4), 0, {4}, {1})), "storage '7' is not in the archive"},
      {"StorageTooLarge", one_named(p::tensor(p::storage("0", 5), 0, {4}, {1})), "should have 5 elements of 4 bytes"},
      {"StorageHuge", one_named(p::tensor(p::storage("0", INT64_MAX), 0, {4}, {1})), "larger than a file can be"},
      {"StorageNegative", one_named(p::tensor(p::storage("0", -4), 0, {4}, {1})), "a storage of -4 elements"},
      {"StoragePath", one_named(p::tensor(p::storage("../data.pkl", 4), 0, {4}, {1})), "is not in the archive"},
      {"NumpyArray", call("numpy.core.multiarray", "_reconstruct"), "refuses to run numpy.core.multiarray._reconstruct"},
      {"Namespace", call("argparse", "Namespace", ")"), "refuses to run argparse.Namespace"},
      {"NumpyObject", numpy(p::text("O8"), "", "x"), "holds a NumPy value of type 'O8'"},
      {"NumpyShort", numpy(p::text("f8"), "", "1234567"), "a NumPy number of type 'f8' wrongly"},
      {"NumpyLong", numpy(p::text("f8"), "", std::string(100000, '1')), "a NumPy number of type 'f8' wrongly"},
      {"NumpyWide", numpy(p::text("f4"), "", "\xc4\x80" "123"), "a NumPy number of type 'f4' wrongly"},
      {"NumpyCut", numpy(p::text("i1"), "", "\xc3"), "a NumPy number of type 'i1' wrongly"},
      {"NumpyBigEndian", numpy(p::text("f8"), p::tuple(p::integer(3) + p::text(">")) + "b", "12345678"), "of byte order '>'"},
      {"NumpyStateOfNothing", numpy(p::text("f8"), "Nb", "12345678"), "a NumPy type wrongly"},
      {"NumpyWithoutType", call("numpy._core.multiarray", "scalar", p::tuple(p::text("f8") + p::text("12345678"))), "a NumPy number wrongly"},
      {"EncodeOther", call("_codecs", "encode", p::tuple(p::text("x") + p::text("rot13"))), "only latin1"},
      {"ShortStorage", one_named(p::tensor(p::storage("0", 8, "ShortStorage"), 0, {4}, {1})), "which no weights have"},
  };
}

std::vector<HostileFile> archives() {
  const std::string good = p::whole(p::one_tensor());
  const auto parts = [&] { return checkpoint_parts(good, {{"0", kData}}); };
  const auto changed = [&](auto change) {
    auto list = parts();
    change(list);
    return zip(list);
  };
  std::string whole = zip(parts());
  std::string bad_directory = whole, cut_end = whole.substr(0, whole.size() - 1);
  bad_directory[bad_directory.size() - 6] = '\x7f';
  std::string zip64 = whole.substr(0, whole.size() - 22) + "PK\x06\x07" + le(0, 4) + le(~std::uint64_t{0}, 8) + le(1, 4) + whole.substr(whole.size() - 22);
  return {
      {"ZipTwice", changed([](auto& list) { list.push_back(list.back()); }), "stands twice"},
      {"ZipCompressed", changed([](auto& list) { list[2].method = 8; }), "is compressed (method 8)"},
      {"ZipEncrypted", changed([](auto& list) { list[2].flags = 1; }), "is encrypted"},
      {"ZipOverlap", changed([](auto& list) { list[2].said_offset = 0; list[2].name = "m/data.pkl"; list[0].name = "m/x"; }), "in its own header"},
      {"ZipSharedBytes", changed([](auto& list) { list[0].said_bytes = static_cast<std::int64_t>(list[0].data.size()) + 10; }), "share bytes"},
      {"ZipBomb", changed([](auto& list) { list[2].said_bytes = 0x7fffffff; }), "runs into the directory"},
      {"ZipOtherLocalName", changed([](auto& list) { list[2].local_name = "m/data/1"; }), "is named 'm/data/1' in its own header"},
      {"ZipWrongChecksum", changed([](auto& list) { list[2].wrong_crc = true; }), "checksum"},
      {"ZipHeaderOutside", changed([](auto& list) { list[2].said_offset = 0x7ffffff0; }), "outside the archive's data"},
      {"ZipNoPickle", changed([](auto& list) { list[0].name = "m/other"; }), "without a data.pkl"},
      {"ZipTwoPickles", changed([&](auto& list) { list.push_back({"n/data.pkl", good}); }), "holds two pickles"},
      {"ZipTorchScript", changed([](auto& list) { list.push_back({"m/constants.pkl", "x"}); }), "TorchScript"},
      {"ZipBigEndian", changed([](auto& list) { list[1].data = "big"; }), "byte order is 'big'"},
      {"ZipFewerRecords", zip(parts(), 2), "bytes after its 2 records"},
      {"ZipMoreRecords", zip(parts(), 4), "damaged at record 3"},
      {"ZipManyRecords", zip(parts(), 65535), "zip64 record is missing"},
      {"ZipDirectoryOutside", bad_directory, "outside the file"},
      {"ZipEndCut", cut_end, "no end record"},
      {"ZipOnlyMagic", "PK\x03\x04", "no end record"},
      {"ZipZip64Outside", zip64, "zip64 locator is wrong"},
  };
}

std::vector<HostileFile> streams() {
  const std::string good = p::whole(p::one_tensor()), data = le(4, 8) + kData;
  return {
      {"LegacyProtocol", legacy(good, {"0"}, data, 1002), "protocol other than 1001"},
      {"LegacyBigEndian", legacy(good, {"0"}, data, 1001, false), "big-endian"},
      {"LegacyWrongCount", legacy(good, {"0"}, le(5, 8) + kData), "truncated or damaged at storage '0'"},
      {"LegacyHugeCount", legacy(good, {"0"}, le(~std::uint64_t{0}, 8) + kData), "truncated or damaged at storage '0'"},
      {"LegacyUnknownKey", legacy(good, {"9"}, data), "which no tensor uses"},
      {"LegacyKeyTwice", legacy(good, {"0", "0"}, data + data), "stands twice"},
      {"LegacyNoKeys", legacy(good, {}, ""), "is not in the file"},
      {"LegacyTrailing", legacy(good, {"0"}, data + "x"), "1 bytes after the last storage"},
      {"LegacyCall", legacy(p::whole(p::global("os", "system") + p::tuple(p::text("true")) + "R"), {}, ""), "refuses to run os.system"},
      {"LegacyMagicAlone", legacy("", {}, "").substr(0, 15), "truncated: the pickle ends"},
      {"OtherPickle", p::whole(p::global("os", "system")), "a Python pickle that torch.save did not write"},
      {"Empty", "", "Empty or truncated"},
      {"Text", "these are no weights at all", "not a safetensors file"},
  };
}

}  // namespace

std::vector<HostileFile> hostile_torch_files() {
  std::vector<HostileFile> files = pickles();
  for (auto& list : {archives(), streams()}) files.insert(files.end(), list.begin(), list.end());
  return files;
}

std::vector<HostileFile> hostile_hdf5_files(const std::string& golden) {
  const auto with = [&](std::size_t at, const std::string& bytes) {
    std::string file = golden;
    file.replace(at, bytes.size(), bytes);
    return file;
  };
  std::string zeros = golden.substr(0, 8) + std::string(golden.size() - 8, '\0');
  return {
      {"SuperblockVersion", with(8, "\x63"), "superblock"},
      {"SuperblockOffsets", with(13, "\x63"), "superblock"},
      {"SuperblockEndOfFile", with(40, std::string(8, '\x7f')), "superblock"},
      {"SignatureAlone", golden.substr(0, 8), "superblock"},
      {"Zeros", zeros, "superblock"},
  };
}

}  // namespace sepia::test
