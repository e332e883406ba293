// From any failure to one line on stderr and an exit code (README, "Exit codes").
#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <string>
#include <string_view>

namespace sepia::cli {

/// What a caught exception means to the caller of the command.
struct Failure {
  int exit_code = 1;
  std::string message;  ///< one line, without "error: "
};

/// sepia::Error by its kind, std::bad_alloc 6, file-system errors 4, anything else 1 (and says that it is sepia's own fault).
Failure describe_failure(const std::exception_ptr& caught);

/// A command line that CLI11 refused: what is wrong with it, the nearest known word, and where the help is.
std::string describe_parse_error(const CLI::App& app, const CLI::ParseError& error);

/// The line when the user gave no command: which there are.
std::string describe_missing_command(const CLI::App& app);

/// `text` without line breaks and other control characters (file names may hold them): each becomes \xNN, \n, \t or \r.
std::string one_line(std::string_view text);

/// Prints "error: <message>" on stderr, as one line.
void print_error(std::string_view message);

}  // namespace sepia::cli
