#include "tools/cli/errors.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <new>
#include <vector>

#include "engine/base/error.h"
#include "tools/cli/nearest.h"
#include "tools/cli/session.h"

namespace sepia::cli {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string suggestion = nearest(word, known);
  return suggestion.empty() ? "" : ", did you mean '" + suggestion + "'?";
}

std::string describe_leftover(const CLI::App& command, const std::string& leftover) {
  if (leftover.starts_with("-")) {
    const std::string option = leftover.substr(0, leftover.find('='));
    return "unknown option '" + option + "'" + did_you_mean(option, option_names(command));
  }
  const std::vector<std::string> commands = command_names(command);
  if (!commands.empty()) return "unknown command '" + leftover + "'" + did_you_mean(leftover, commands);
  return "'" + leftover + "' was not expected";
}

std::string where_help_is(const CLI::App& command) { return "; see '" + typed_name(command) + " --help'"; }

}  // namespace

Failure describe_failure(const std::exception_ptr& caught) {
  try {
    std::rethrow_exception(caught);
  } catch (const Error& error) {
    return {error.exit_code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {static_cast<int>(ErrorKind::kMemory), "out of memory; try a smaller --batch-size, a smaller --image-size or fewer --workers"};
  } catch (const std::filesystem::filesystem_error& error) {
    const std::string path = error.path1().string();
    return {static_cast<int>(ErrorKind::kPath), (path.empty() ? "" : path + ": ") + error.code().message() + "; check the path and its permissions"};
  } catch (const std::exception& error) {
    return {static_cast<int>(ErrorKind::kInternal), fmt::format("internal: {}; this is a fault of sepia, please report it", error.what())};
  } catch (...) {
    return {static_cast<int>(ErrorKind::kInternal), "internal: unknown exception; this is a fault of sepia, please report it"};
  }
}

std::string describe_parse_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = chosen_command(app);
  // A mistyped option also makes a required one look absent: name the cause, not the effect.
  const std::vector<std::string> leftovers = app.remaining(true);
  const std::string what = leftovers.empty() ? error.what() : describe_leftover(command, leftovers.front());
  return what + where_help_is(command);
}

std::string describe_missing_command(const CLI::App& app) {
  const CLI::App& command = chosen_command(app);
  return fmt::format("{} needs a command: {}", typed_name(command), fmt::join(command_names(command), ", ")) + where_help_is(command);
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else if (c == '\r') {
      line += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

void print_error(std::string_view message) { fmt::print(stderr, "error: {}\n", one_line(message)); }

}  // namespace sepia::cli
