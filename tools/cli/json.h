// Results for machines.
#pragma once

#include <nlohmann/json.hpp>

namespace sepia::cli {

/// Writes `value` to stdout, indented, with a line break at the end. Numbers are unrounded; bytes that are not UTF-8 (file
/// names) become U+FFFD. NaN and infinity have no JSON form: put null and a "..._reason" beside it.
void print_json(const nlohmann::ordered_json& value);

/// The same on one line, for results that are a stream of lines.
void print_json_line(const nlohmann::ordered_json& value);

}  // namespace sepia::cli
