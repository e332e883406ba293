// The scripts that a stranger runs first.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/run_command.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = SEPIA_SOURCE_DIR;

TEST(Scripts, AreExecutableAndReadByBash) {
  int scripts = 0;
  for (const char* folder : {"tools", "tools/gpu", ".ci"}) {
    for (const auto& entry : fs::directory_iterator(kRoot / folder)) {
      const bool script = entry.path().extension() == ".sh" || entry.path().filename() == "run";
      if (!script) continue;
      ++scripts;
      EXPECT_NE(entry.status().permissions() & fs::perms::owner_exec, fs::perms::none) << entry.path();
      const CommandResult checked = run_program({"bash", "-n", entry.path()});
      EXPECT_EQ(checked.exit_code, 0) << checked.err;
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      EXPECT_TRUE(text.str().starts_with("#!/usr/bin/env bash\n")) << entry.path();
    }
  }
  EXPECT_GE(scripts, 6);
}

std::string tool(const std::string& name) { return kRoot / "tools" / name; }

TEST(Scripts, PackagesCanBeListedWithoutInstallingThem) {
  const CommandResult listed = run_program({tool("install_packages.sh"), "--list"});
  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_THAT(listed.out, ::testing::HasSubstr("g++\ncmake\n"));
}

TEST(Scripts, TheBundleRefusesWhatItCannotUse) {
  EXPECT_EQ(run_program({tool("bundle_deps.sh")}).exit_code, 2);
  EXPECT_EQ(run_program({tool("bundle_deps.sh"), "--no-such-option"}).exit_code, 2);
  const CommandResult in_use = run_program({tool("bundle_deps.sh"), tool("gpu")});
  EXPECT_EQ(in_use.exit_code, 2);
  EXPECT_THAT(in_use.err, ::testing::HasSubstr("is in use"));
}

TEST(Scripts, AGpuRunSaysWhatItWouldDo) {
  const CommandResult dry = run_program({tool("gpu/run_on_gpu.sh"), "--dry-run", "--build", "some-build"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  for (const char* part : {"some-build/sepia doctor --verify --device cuda", "--tool memcheck", "--tool racecheck", "--tool initcheck", "--tool synccheck",
                           "some-build/cuda_bench", "step_bench edgenet --device cuda --precision bf16", "compare.py --device cuda"}) {
    EXPECT_THAT(dry.out, ::testing::HasSubstr(part));
  }
  const CommandResult one = run_program({tool("gpu/run_on_gpu.sh"), "--dry-run", "--only", "doctor"});
  EXPECT_EQ(std::count(one.out.begin(), one.out.end(), '\n'), 2) << one.out;
}

TEST(Scripts, AGpuRunRefusesWrongWordsAndAMachineWithoutAGpu) {
  const TemporaryFolder folder;
  const std::string script = tool("gpu/run_on_gpu.sh");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"--fast"}, {"--only", "doctor,nonsense"}, {"--out"}, {"--bundle", "no/such"}}) {
    std::vector<std::string> command{script};
    command.insert(command.end(), words.begin(), words.end());
    const CommandResult refused = run_program(command);
    EXPECT_EQ(refused.exit_code, 2) << words[0];
    EXPECT_TRUE(refused.err.starts_with("error: ")) << refused.err;
  }
  if (run_program({"bash", "-c", "nvidia-smi -L"}).exit_code == 0) GTEST_SKIP() << "this machine has a GPU";
  const CommandResult none = run_program({script, "--out", (folder.path() / "out").string()});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_EQ(none.err, "error: this machine has no NVIDIA GPU that nvidia-smi finds; nothing was run\n");
  EXPECT_FALSE(fs::exists(folder.path() / "out"));
}

}  // namespace
}  // namespace sepia::test
