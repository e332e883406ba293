#include "tools/cli/json.h"

#include <cstdio>
#include <string>

namespace sepia::cli {
namespace {

void print_text(std::string text) {
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

void print_json(const nlohmann::ordered_json& value) {
  print_text(value.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void print_json_line(const nlohmann::ordered_json& value) {
  print_text(value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace sepia::cli
