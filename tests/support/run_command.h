// Runs the built `sepia` command as a process of its own, as a user would.
#pragma once

#include <string>
#include <vector>

namespace sepia::test {

struct CommandResult {
  int exit_code = -1;  ///< the exit code; 128 + N when signal N killed it
  std::string out;     ///< all of stdout
  std::string err;     ///< all of stderr
};

/// Runs `build/sepia arguments...` in `folder` (empty: the present one) without standard input and waits for its end.
/// `environment` adds or replaces variables ("SEPIA_MAX_ISA=avx2").
CommandResult run_sepia(const std::vector<std::string>& arguments, const std::string& folder = "", const std::vector<std::string>& environment = {});

/// Any program, found by PATH when it has no slash.
CommandResult run_program(const std::vector<std::string>& words, const std::string& folder = "", const std::vector<std::string>& environment = {});

}  // namespace sepia::test
