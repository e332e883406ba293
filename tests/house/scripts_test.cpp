// The scripts that a stranger runs first.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/run_command.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = SEPIA_SOURCE_DIR;

TEST(Scripts, AreExecutableAndReadByBash) {
  int scripts = 0;
  for (const char* folder : {"tools", ".ci"}) {
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
  EXPECT_GE(scripts, 4);
}

}  // namespace
}  // namespace sepia::test
