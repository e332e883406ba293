// Numbers on the command line. CLI11 by itself takes `nan`, `1e999`, negative sizes and octal `010`; these do not.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "engine/base/error.h"

namespace sepia::cli {

/// Reads all of `text` as a decimal whole number in [low, high].
/// Error kUsage: "--batch-size -4: must be a whole number from 1 to 65536".
std::int64_t parse_whole(const std::string& option, const std::string& text, std::int64_t low, std::int64_t high);

/// The same for the full unsigned 64-bit range, from 0 (seeds).
std::uint64_t parse_seed(const std::string& option, const std::string& text);

/// An interval of finite real numbers; either end may be open.
struct RealRange {
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
  bool low_open = false;
  bool high_open = false;

  bool contains(double x) const;
  /// "a number greater than 0", "a number from 0 to 1".
  std::string describe() const;
};

inline constexpr RealRange kPositive{.low = 0.0, .low_open = true};
inline constexpr RealRange kNotNegative{.low = 0.0};
inline constexpr RealRange kUnitInterval{.low = 0.0, .high = 1.0};

/// Reads all of `text` as a finite number in `range`. Error kUsage: "--lr nan: must be a number greater than 0".
double parse_real(const std::string& option, const std::string& text, const RealRange& range);

/// 16901762 -> "16,901,762"; `sign` also writes the plus.
std::string grouped(std::int64_t value, bool sign = false);

/// Adds an option that takes one whole number in [low, high]; the default shown is the present value of `value`, which must
/// outlive the parse. `names` as CLI11 writes them, the long one last: "-b,--batch-size".
template <class Integer>
CLI::Option* add_whole(CLI::App& app, const std::string& names, Integer& value, std::int64_t low, std::int64_t high, const std::string& help);

/// Adds an option that takes one finite number in `range`.
CLI::Option* add_real(CLI::App& app, const std::string& names, double& value, const RealRange& range, const std::string& help);

namespace detail {
/// "--batch-size" of "-b,--batch-size".
std::string shown_name(const std::string& names);
std::string shown_default(double value);
}  // namespace detail

template <class Integer>
CLI::Option* add_whole(CLI::App& app, const std::string& names, Integer& value, std::int64_t low, std::int64_t high, const std::string& help) {
  const std::string name = detail::shown_name(names);
  CLI::Option* option = app.add_option(
      names,
      [name, &value, low, high](const CLI::results_t& given) {
        value = static_cast<Integer>(parse_whole(name, given.front(), low, high));
        return true;
      },
      help);
  return option->type_name("N")->expected(1)->default_str(std::to_string(value));
}

}  // namespace sepia::cli
