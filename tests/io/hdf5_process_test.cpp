// The process that parses HDF5 may die, hang or lie: its end is one line, never ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/base/error.h"
#include "engine/io/hdf5_process.h"
#include "tests/io/support/torch_file_builder.h"
#include "tests/support/temporary_folder.h"

namespace sepia::detail {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using test::le;

const fs::path kGolden = fs::path(SEPIA_SOURCE_DIR) / "tests/golden/weight_files/keras3.weights.h5";

/// What read_hdf5 says when this shell script stands where the parser should.
std::string answer_of_script(const std::string& script, double seconds = 20) {
  const test::TemporaryFolder folder;
  const fs::path program = folder / "program";
  std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
  fs::permissions(program, fs::perms::owner_all);
  try {
    read_hdf5(kGolden, {.program = program, .seconds = seconds});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "accepted";
}

TEST(Hdf5Process, DeathBySignalIsNamed) {
  EXPECT_THAT(answer_of_script("kill -SEGV $$"), HasSubstr("ended by signal 11 (Segmentation fault)"));
  EXPECT_THAT(answer_of_script("printf 'SEPIAH5\\001T'; kill -ABRT $$"), HasSubstr("ended by signal 6"));
}

TEST(Hdf5Process, AHangIsEnded) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(answer_of_script("exec sleep 100", 0.3), HasSubstr("took too long"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(Hdf5Process, SilenceAndGarbageAreRefused) {
  EXPECT_THAT(answer_of_script("exit 0"), HasSubstr("ended early"));
  EXPECT_THAT(answer_of_script("exit 7"), HasSubstr("ended early"));
  EXPECT_THAT(answer_of_script("cat"), HasSubstr("did not begin"));
  EXPECT_THAT(answer_of_script("exec yes"), HasSubstr("did not begin"));
}

TEST(Hdf5Process, AMissingProgramIsSepiasOwnFault) {
  try {
    read_hdf5(kGolden, {.program = "/no/such/program"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
  }
}

struct Stream {
  std::string name, bytes, reason;
};

/// What the reader of the pipe says of these bytes.
std::string answer(const std::string& bytes) {
  std::size_t at = 0;
  const PipeSource pipe = [&](std::span<std::byte> part) {
    const std::size_t count = std::min(part.size(), bytes.size() - at);
    std::memcpy(part.data(), bytes.data() + at, count);
    at += count;
    return count;
  };
  try {
    return read_hdf5_stream(pipe, "f.h5", {.tensor_bytes = 64, .tensors = 3, .notes = 3}).refusal.value_or("accepted");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
}

std::string text(const std::string& value) { return le(value.size(), 2) + value; }
std::string tensor(const std::string& name, int type, const std::vector<std::int64_t>& shape, std::size_t bytes) {
  std::string record = "T" + text(name) + le(static_cast<std::uint64_t>(type), 1) + le(shape.size(), 1);
  for (const std::int64_t extent : shape) record += le(static_cast<std::uint64_t>(extent), 8);
  return record + std::string(bytes, 'd');
}
std::string stream(const std::string& records) { return std::string(kHdf5Magic) + records; }

TEST(Hdf5Stream, WhatTheProgramMayNotSay) {
  const std::string a = tensor("a", 0, {4}, 16), end1 = "Z" + le(1, 4);
  EXPECT_EQ(answer(stream(a + end1)), "accepted");
  EXPECT_EQ(answer(stream(tensor("a", 5, {}, 1) + "A" + text("k") + text("v") + "S" + text("s") + end1)), "accepted");
  EXPECT_EQ(answer(stream("E" + text("a\nreason"))), "a\\x0areason");
  const std::vector<Stream> cases{
      {"Empty", "", "ended early"},
      {"Magic", "SEPIAH5\2" + end1, "did not begin"},
      {"NoEnd", stream(a), "ended early"},
      {"Count", stream(a + "Z" + le(2, 4)), "lost tensors"},
      {"After", stream(a + end1 + "x"), "something followed"},
      {"Record", stream("Q"), "unknown record"},
      {"Twice", stream(a + a + "Z" + le(2, 4)), "'a' twice"},
      {"Type", stream(tensor("a", 6, {4}, 16)), "element type 6"},
      {"Dimensions", stream(tensor("a", 0, std::vector<std::int64_t>(9, 1), 4)), "9 dimensions"},
      {"Larger", stream(tensor("a", 0, {17}, 68)), "larger than the file"},
      {"LargerTogether", stream(a + tensor("b", 1, {7}, 56)), "larger than the file"},
      {"Overflow", stream(tensor("a", 0, {1LL << 62, 4}, 4)), "larger than the file"},
      {"Negative", stream(tensor("a", 0, {-1}, 4)), "larger than the file"},
      {"Name", stream(tensor("a\x1b", 0, {1}, 4)), "control characters"},
      {"NoName", stream(tensor("", 0, {1}, 4)), "is empty"},
      {"LongName", stream("T" + le(0xffff, 2)), "a text of 65535 bytes"},
      {"CutData", stream(tensor("a", 0, {4}, 15)), "ended early"},
      {"ManyTensors", stream(tensor("a", 5, {1}, 1) + tensor("b", 5, {1}, 1) + tensor("c", 5, {1}, 1) + tensor("d", 5, {1}, 1)), "more than 3 tensors"},
      {"ManyNotes", stream("S" + text("a") + "S" + text("b") + "S" + text("c") + "S" + text("d")), "more than 3 attributes"},
  };
  for (const Stream& c : cases) EXPECT_THAT(answer(c.bytes), HasSubstr(c.reason)) << c.name;
}

}  // namespace
}  // namespace sepia::detail
