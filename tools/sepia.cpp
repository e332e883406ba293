// The `sepia` command: reads the command line, runs the chosen sub-command, turns every failure into one line and a code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <string>

#include "engine/base/error.h"
#include "engine/base/version.h"
#include "tools/cli/errors.h"
#include "tools/cli/help.h"
#include "tools/cli/session.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"

namespace sepia::cli {
namespace {

constexpr const char* kSummary = "sepia: train and run detectors of manipulated faces, and read how deep learning works inside.";
constexpr const char* kFooter =
    "'sepia COMMAND --help' tells more and gives examples. Results for machines go to stdout (--json), people's text to\n"
    "stderr. Exit codes: 0 ok; 1 a check failed, or an internal error; 2 usage; 3 bad data; 4 a path missing or not writable;\n"
    "5 NaN or Inf; 6 out of memory; 130/143 interrupted.";

/// "sepia help train" is "sepia train --help".
std::vector<std::string> expand_help(std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.push_back("--help");
  }
  return arguments;
}

/// A result that could not be written (a full disk behind "> FILE") is no result.
void flush_stdout() {
  errno = 0;
  const bool failed = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  SEPIA_CHECK_KIND(!failed, ErrorKind::kPath, "standard output: ", std::strerror(errno == 0 ? EIO : errno), "; the result is not complete");
}

int run(int argc, const char* const* argv) {
  Session session(argc, argv);
  CLI::App app(kSummary, "sepia");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.set_version_flag("--version", fmt::format("sepia {}", version()), "Print the version and exit");
  app.footer(kFooter);
  add_all_commands(app, session);
  try {
    std::vector<std::string> arguments = expand_help({session.arguments().begin() + 1, session.arguments().end()});
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 wants them in reverse
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    flush_stdout();
    return 0;
  } catch (const CLI::CallForVersion& text) {
    fmt::print("{}\n", text.what());
    flush_stdout();
    return 0;
  } catch (const CLI::ParseError& error) {
    fail(ErrorKind::kUsage, describe_parse_error(app, error));
  }
  if (!session.action()) fail(ErrorKind::kUsage, describe_missing_command(app));
  const int exit_code = session.action()();
  flush_stdout();
  return exit_code;
}

}  // namespace
}  // namespace sepia::cli

int main(int argc, char** argv) {
  try {
    sepia::cli::exit_on_signals();
    return sepia::cli::run(argc, argv);
  } catch (...) {
    const sepia::cli::Failure failure = sepia::cli::describe_failure(std::current_exception());
    sepia::cli::print_error(failure.message);
    return failure.exit_code;
  }
}
