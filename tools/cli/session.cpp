#include "tools/cli/session.h"

#include <utility>

namespace sepia::cli {

Session::Session(int argc, const char* const* argv) : arguments_(argv, argv + argc) {}

CLI::App& Session::add_command(CLI::App& parent, const std::string& name, const std::string& summary, const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, summary);
  command->group("Commands");
  command->set_help_flag("-h,--help", "Print this help and exit");
  if (!examples.empty()) {
    std::string footer = "Examples:\n";
    std::size_t begin = 0;
    while (begin < examples.size()) {
      std::size_t end = examples.find('\n', begin);
      if (end == std::string::npos) end = examples.size();
      footer += "  " + examples.substr(begin, end - begin) + "\n";
      begin = end + 1;
    }
    footer.pop_back();
    command->footer(footer);
  }
  return *command;
}

void Session::set_action(CLI::App& command, std::function<int()> run) {
  command.callback([this, run = std::move(run)] { action_ = run; });
}

std::string typed_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : typed_name(*parent) + " " + command.get_name();
}

const CLI::App& chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : chosen_command(*chosen.front());
}

}  // namespace sepia::cli
