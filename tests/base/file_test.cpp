#include "engine/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/error.h"

namespace sepia {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// Counts system calls and makes the k-th one fail. Static, because FileOps holds plain function pointers.
struct Faults {
  enum class Mode { kFail, kShort, kInterrupt, kNoProgress };
  static inline detail::FileOps real;
  static inline int calls = 0, fail_at = -1, error = EIO;
  static inline Mode mode = Mode::kFail;
  static inline std::vector<std::string> names;

  static bool hit(const char* name) {
    names.emplace_back(name);
    return calls++ == fail_at;
  }
  static int give(int otherwise_error) {
    errno = otherwise_error;
    return -1;
  }
  static void install(int at, int error_number, Mode how = Mode::kFail) {
    calls = 0, fail_at = at, error = error_number, mode = how;
    names.clear();
    real = detail::file_ops();
    detail::file_ops() = {[](const char* path, int flags, mode_t bits) { return hit("open") ? give(error) : real.open(path, flags, bits); },
                          [](int file, const void* data, std::size_t bytes) -> ssize_t {
                            const bool now = hit("write");
                            if (mode == Mode::kShort && bytes > 1) return real.write(file, data, now ? 1 : bytes / 2);
                            if (now && mode == Mode::kNoProgress) return 0;
                            return now ? give(error) : real.write(file, data, bytes);
                          },
                          [](int file) { return hit("fsync") ? give(error) : real.fsync(file); },
                          [](int file) {
                            const bool now = hit("close");
                            const int status = real.close(file);
                            return now ? give(error) : status;
                          },
                          [](const char* from, const char* to) { return hit("rename") ? give(error) : real.rename(from, to); }};
  }
  static void restore() { detail::file_ops() = real; }
};

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sepia_file_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string text(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {})); }
  fs::path folder_;
};

template <class Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return Error(ErrorKind::kInternal, "none");
}

TEST_F(FileTest, WritesReplacesAndReadsBack) {
  const fs::path path = folder_ / "a.bin";
  write_file_atomic(path, "first");
  EXPECT_EQ(text(path), "first");
  write_file_atomic(path, std::string(300000, 'x'));
  EXPECT_EQ(text(path), std::string(300000, 'x'));
  const auto bytes = read_file(path, 300000);
  ASSERT_EQ(bytes.size(), 300000u);
  EXPECT_EQ(bytes.back(), std::byte{'x'});
  write_file_atomic(path, "");
  EXPECT_TRUE(read_file(path, 0).empty());
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, WritesPartsInOrder) {
  const std::string a = "one ", b = "", c = "two";
  const std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span(a)), std::as_bytes(std::span(b)),
                                                      std::as_bytes(std::span(c))};
  write_file_atomic(folder_ / "parts", parts);
  EXPECT_EQ(text(folder_ / "parts"), "one two");
}

TEST_F(FileTest, WritesIntoTheWorkingFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  write_file_atomic("plain", "here");
  fs::current_path(before);
  EXPECT_EQ(text(folder_ / "plain"), "here");
}

// RELIABILITY F4: each system call fails in turn, with each error. The old file stays whole, nothing is left beside it.
TEST_F(FileTest, EveryCallFailingInTurnLeavesTheOldFileWhole) {
  const fs::path path = folder_ / "last.safetensors";
  const std::string old_text(5000, 'o'), new_text(7001, 'n');
  write_file_atomic(path, old_text);
  Faults::install(-1, 0);
  write_file_atomic(path, old_text);
  const std::vector<std::string> names = Faults::names;
  Faults::restore();
  ASSERT_THAT(names, ::testing::ElementsAre("open", "open", "write", "fsync", "close", "rename", "fsync", "close"));
  for (const int error_number : {ENOSPC, EIO, EDQUOT, EROFS}) {
    for (int at = 0; at < 7; ++at) {  // the last close, of the folder, has nothing to lose
      write_file_atomic(path, old_text);
      Faults::install(at, error_number);
      const Error error = error_of([&] { write_file_atomic(path, new_text); });
      Faults::restore();
      EXPECT_EQ(error.exit_code(), 4) << names[at];
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
      EXPECT_THAT(error.what(), HasSubstr("7001 bytes"));
      EXPECT_THAT(error.what(), HasSubstr(std::generic_category().message(error_number)));
      const bool renamed = at == 6;  // only the flush of the folder failed: the new file is in place
      EXPECT_EQ(text(path), renamed ? new_text : old_text) << names[at] << " " << at;
      EXPECT_EQ(files(), 1u) << names[at] << " " << at;
    }
  }
}

TEST_F(FileTest, AWriteFailingAfterSomeBytesLeavesTheOldFileWhole) {
  const fs::path path = folder_ / "log.json";
  write_file_atomic(path, "old");
  const std::string part(1000, 'p');
  const std::vector<std::span<const std::byte>> parts(5, std::as_bytes(std::span(part)));
  for (int at = 2; at < 7; ++at) {
    Faults::install(at, ENOSPC);
    const Error error = error_of([&] { write_file_atomic(path, parts); });
    Faults::restore();
    EXPECT_THAT(error.what(), HasSubstr(str(1000 * (at - 2), " written")));
    EXPECT_EQ(text(path), "old");
    EXPECT_EQ(files(), 1u);
  }
}

TEST_F(FileTest, ShortWritesAndInterruptionsAreCarriedOn) {
  const std::string content(100001, 'c');
  Faults::install(3, EIO, Faults::Mode::kShort);
  write_file_atomic(folder_ / "short", content);
  Faults::restore();
  EXPECT_EQ(text(folder_ / "short"), content);
  for (const int at : {2, 3}) {  // write, fsync
    Faults::install(at, EINTR, Faults::Mode::kInterrupt);
    write_file_atomic(folder_ / "interrupted", content);
    Faults::restore();
    EXPECT_EQ(text(folder_ / "interrupted"), content);
  }
  Faults::install(2, 0, Faults::Mode::kNoProgress);
  EXPECT_EQ(error_of([&] { write_file_atomic(folder_ / "stuck", content); }).exit_code(), 4);
  Faults::restore();
  EXPECT_FALSE(fs::exists(folder_ / "stuck"));
}

TEST_F(FileTest, AFolderThatCannotBeFlushedIsNoError) {
  Faults::install(6, EINVAL);
  write_file_atomic(folder_ / "a", "text");
  Faults::restore();
  EXPECT_EQ(text(folder_ / "a"), "text");
}

TEST_F(FileTest, RefusesTargetsThatAreNotFiles) {
  fs::create_directory(folder_ / "sub");
  EXPECT_EQ(error_of([&] { write_file_atomic(folder_ / "sub", "x"); }).exit_code(), 4);
  EXPECT_EQ(error_of([&] { write_file_atomic(folder_ / "missing" / "a", "x"); }).exit_code(), 4);
  EXPECT_EQ(error_of([&] { write_file_atomic(folder_ / "", "x"); }).exit_code(), 4);
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, AThreadRaceForOnePathEndsWithOneOfTheTexts) {
  const fs::path path = folder_ / "shared";
  std::vector<std::thread> threads;
  for (char letter = 'a'; letter < 'e'; ++letter) {
    threads.emplace_back([&, letter] {
      for (int i = 0; i < 20; ++i) write_file_atomic(path, std::string(2000, letter));
    });
  }
  for (auto& thread : threads) thread.join();
  const std::string result = text(path);
  EXPECT_EQ(result, std::string(2000, result.at(0)));
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, TemporariesOfKilledWritersAreReplacedAndRemoved) {
  const fs::path path = folder_ / "w";
  const auto leave = [&](const std::string& name) { std::ofstream(folder_ / name) << "half"; };
  leave(".w.tmp-" + std::to_string(::getpid()));  // a killed run had our process number
  write_file_atomic(path, "whole");
  EXPECT_EQ(text(path), "whole");
  leave(".w.tmp-1");
  leave(".w.tmp-99999");
  leave(".w.tmp-");
  leave(".w.tmp-1x");
  leave(".v.tmp-1");
  EXPECT_EQ(remove_stale_temporaries(path), 2u);
  EXPECT_EQ(files(), 4u);
  EXPECT_EQ(remove_stale_temporaries(folder_ / "none" / "w"), 0u);
}

TEST_F(FileTest, ReadingNamesWhatIsWrong) {
  const fs::path path = folder_ / "f";
  write_file_atomic(path, "12345");
  EXPECT_EQ(error_of([&] { read_file(path, 4); }).kind(), ErrorKind::kData);
  EXPECT_THAT(error_of([&] { read_file(path, 4); }).what(), HasSubstr("5 bytes, more than the 4"));
  EXPECT_EQ(error_of([&] { read_file(folder_ / "none", 4); }).kind(), ErrorKind::kPath);
  EXPECT_THAT(error_of([&] { read_file(folder_, 4); }).what(), HasSubstr("is a folder"));
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { read_file(folder_ / "pipe", 4); }).what(), HasSubstr("not a regular file"));
  fs::create_symlink("loop", folder_ / "loop");
  EXPECT_EQ(error_of([&] { read_file(folder_ / "loop", 4); }).kind(), ErrorKind::kPath);
}

}  // namespace
}  // namespace sepia
