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

/// A program in a process of its own, without standard input. Output is collected by wait(): not for programs that say much.
class Process {
 public:
  /// Starts it in `folder` (empty: the present one). `environment` adds or replaces variables ("SEPIA_MAX_ISA=avx2"). The program is
  /// found by PATH when it has no slash.
  explicit Process(const std::vector<std::string>& words, const std::string& folder = "", const std::vector<std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal_number) const;
  /// Reads all output, waits for the end. Once.
  CommandResult wait();

 private:
  int pid_ = -1, out_ = -1, err_ = -1;
};

/// Runs `build/sepia arguments...` to its end; the other arguments as for Process.
CommandResult run_sepia(const std::vector<std::string>& arguments, const std::string& folder = "", const std::vector<std::string>& environment = {});

/// Expects that `sepia words...` ends with `exit_code` and one line "error: ..." that contains `part`, and writes nothing to stdout.
void expect_refusal(const std::vector<std::string>& words, int exit_code, const std::string& part);

/// Any program, to its end.
CommandResult run_program(const std::vector<std::string>& words, const std::string& folder = "", const std::vector<std::string>& environment = {});

/// The words of `build/sepia arguments...`, for Process.
std::vector<std::string> sepia_words(const std::vector<std::string>& arguments);

}  // namespace sepia::test
