#include "tools/cli/numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <system_error>

namespace sepia::cli {
namespace {

/// True when all of `text` is one number of type T that T can hold.
template <class T>
bool read_all(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  return code == std::errc() && stop == end;
}

}  // namespace

std::int64_t parse_whole(const std::string& option, const std::string& text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  if (read_all(text, value) && value >= low && value <= high) return value;
  if (high == std::numeric_limits<std::int64_t>::max()) {
    fail(ErrorKind::kUsage, option, " ", text, ": must be a whole number, ", low, " or more");
  }
  fail(ErrorKind::kUsage, option, " ", text, ": must be a whole number from ", low, " to ", high);
}

std::uint64_t parse_seed(const std::string& option, const std::string& text) {
  std::uint64_t value = 0;
  if (read_all(text, value)) return value;
  fail(ErrorKind::kUsage, option, " ", text, ": must be a whole number from 0 to ", std::numeric_limits<std::uint64_t>::max());
}

bool RealRange::contains(double x) const {
  if (!std::isfinite(x)) return false;
  return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
}

std::string RealRange::describe() const {
  const double largest = std::numeric_limits<double>::max();
  const std::string from = low <= -largest ? "" : low_open ? fmt::format("greater than {}", low) : fmt::format("{} or more", low);
  const std::string to = high >= largest ? "" : high_open ? fmt::format("less than {}", high) : fmt::format("{} or less", high);
  if (!from.empty() && !to.empty()) {
    if (!low_open && !high_open) return fmt::format("a number from {} to {}", low, high);
    return "a number " + from + " and " + to;
  }
  return from.empty() && to.empty() ? "a finite number" : "a finite number " + from + to;
}

double parse_real(const std::string& option, const std::string& text, const RealRange& range) {
  double value = 0.0;
  if (read_all(text, value) && range.contains(value)) return value;
  fail(ErrorKind::kUsage, option, " ", text, ": must be ", range.describe());
}

CLI::Option* add_real(CLI::App& app, const std::string& names, double& value, const RealRange& range, const std::string& help) {
  const std::string name = detail::shown_name(names);
  CLI::Option* option = app.add_option(
      names,
      [name, &value, range](const CLI::results_t& given) {
        value = parse_real(name, given.front(), range);
        return true;
      },
      help);
  return option->type_name("X")->expected(1)->default_str(detail::shown_default(value));
}

std::string grouped(std::int64_t value, bool sign) {
  std::string digits = std::to_string(value < 0 ? -value : value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), ",");
  return (value < 0 ? "-" : sign ? "+" : "") + digits;
}

namespace detail {

std::string shown_name(const std::string& names) {
  const std::size_t comma = names.rfind(',');
  return comma == std::string::npos ? names : names.substr(comma + 1);
}

std::string shown_default(double value) { return fmt::format("{}", value); }

}  // namespace detail
}  // namespace sepia::cli
