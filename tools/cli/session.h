// One call of the `sepia` command: which sub-command was chosen and what it will run.
//
// A sub-command registers itself (tools/commands/commands.h): it adds its options to a CLI::App and hands the session the
// function to run. That function runs after the whole command line was read and found right, never before.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace sepia::cli {

class Session {
 public:
  /// Keeps a copy of the command line; arguments()[0] is the program.
  Session(int argc, const char* const* argv);

  /// Adds the sub-command `name` under `parent`. `summary` is one sentence; `examples` are whole command lines, one a line,
  /// with an optional "  # comment"; both are what --help prints.
  CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& summary, const std::string& examples);

  /// Says what `command` does once the line is parsed; `run` returns the exit code (or throws).
  void set_action(CLI::App& command, std::function<int()> run);

  /// The function of the chosen sub-command; empty when none was chosen.
  const std::function<int()>& action() const { return action_; }
  const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  std::vector<std::string> arguments_;
  std::function<int()> action_;
};

/// "sepia train", "sepia data check": what a user types for this (sub-)command.
std::string typed_name(const CLI::App& command);

/// The sub-command the user chose, as deep as it goes; `app` itself when none.
const CLI::App& chosen_command(const CLI::App& app);

}  // namespace sepia::cli
