// How --help looks: a line of at most 100 columns, options in one column, text wrapped in another.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sepia::cli {

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;
};

/// `text` wrapped at spaces so that no line is longer than `width`, following lines indented by `indent`.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width);

}  // namespace sepia::cli
