#include "tools/cli/help.h"

#include <sstream>

#include "tools/cli/session.h"

namespace sepia::cli {
namespace {

constexpr std::size_t kColumn = 30;
constexpr std::size_t kWidth = 100;

}  // namespace

HelpFormatter::HelpFormatter() {
  column_width(kColumn);
  label("SUBCOMMAND", "COMMAND");
  label("Positionals", "Arguments");
  label("REQUIRED", "(required)");
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = "  " + make_option_name(option, is_positional);
  if (is_positional) {
    if (option->get_expected_max() > 1) name += "...";
  } else if (option->get_type_size() != 0 && !option->get_type_name().empty()) {
    name += " " + option->get_type_name();
  }
  std::string text = make_option_desc(option);
  if (option->get_required()) {
    text += " " + get_label("REQUIRED");
  } else if (option->get_type_size() != 0 && !option->get_default_str().empty()) {
    text += " [" + option->get_default_str() + "]";
  }
  if (name.size() + 2 > kColumn) {
    name += "\n" + std::string(kColumn, ' ');
  } else {
    name.resize(kColumn, ' ');
  }
  return name + wrapped(text, kColumn, kWidth - kColumn) + "\n";
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string) const {
  return "\n" + CLI::Formatter::make_usage(app, typed_name(*app));
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::istringstream words(text);
  std::string result;
  std::string word;
  std::size_t column = 0;
  while (words >> word) {
    if (column > 0 && column + 1 + word.size() > width) {
      result += "\n" + std::string(indent, ' ');
      column = 0;
    }
    if (column > 0) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

}  // namespace sepia::cli
