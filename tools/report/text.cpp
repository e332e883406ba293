#include "tools/report/text.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace sepia::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kMinus = "\xE2\x88\x92";
constexpr std::string_view kNarrowSpace = "\xE2\x80\xAF";

// Length of the well-formed UTF-8 sequence at `text[at]`, 0 when there is none (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(at);
  const auto tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) { return byte(i) >= low && byte(i) <= high; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
    return tail(at + 1, low, high) && tail(at + 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
    return tail(at + 1, low, high) && tail(at + 2) && tail(at + 3) ? 4 : 0;
  }
  return 0;
}

std::string with_true_minus(std::string text) {
  if (!text.empty() && text.front() == '-') text.replace(0, 1, kMinus);
  return text;
}

}  // namespace

std::string clean_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text, i);
    const auto first = static_cast<unsigned char>(text[i]);
    const bool control = length == 1 && ((first < 0x20 && first != '\t' && first != '\n') || first == 0x7F);
    const std::string_view sequence = text.substr(i, length);
    // U+FFFE and U+FFFF are well-formed UTF-8, but not characters of XML.
    const bool noncharacter = sequence == "\xEF\xBF\xBE" || sequence == "\xEF\xBF\xBF";
    if (length == 0 || control || noncharacter) {
      out += kReplacement;
    } else {
      out += sequence;
    }
    i += length == 0 ? 1 : length;
  }
  return out;
}

std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char c : clean_utf8(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string base64(std::span<const std::byte> bytes) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= bytes.size() - i ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::string power_of_ten_text(int exponent) {
  static constexpr std::string_view kSuperscripts[] = {"\u2070", "\u00B9", "\u00B2", "\u00B3", "\u2074",
                                                       "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
  std::string out = exponent < 0 ? "10\u207B" : "10";
  for (const char digit : std::to_string(std::abs(exponent))) out += kSuperscripts[digit - '0'];
  return out;
}

std::string shell_command(std::span<const std::string> words) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:+@%";
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

std::string sepia_command(std::vector<std::string> words) {
  if (!words.empty()) words.front() = "sepia";
  return shell_command(words);
}

std::string number_text(double value, int digits) {
  if (std::isnan(value)) return "n/a";
  if (std::isinf(value)) return value > 0 ? "\u221E" : std::string(kMinus) + "\u221E";
  if (value == 0) return "0";
  const std::string scientific = fmt::format("{:.{}e}", value, digits - 1);  // rounds first: 9.9999 has exponent 1 at 3 digits
  const auto mark = scientific.find('e');
  const int exponent = std::atoi(scientific.c_str() + mark + 1);
  const auto strip_zeros = [](std::string text) {
    if (text.find('.') == std::string::npos) return text;
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  if (exponent < -4 || exponent >= 6) {
    return with_true_minus(strip_zeros(scientific.substr(0, mark))) + "\u00D7" + power_of_ten_text(exponent);
  }
  return with_true_minus(strip_zeros(fmt::format("{:.{}f}", value, std::max(0, digits - 1 - exponent))));
}

std::string fixed_text(double value, int decimals) {
  if (std::isnan(value)) return "n/a";
  std::string text = fmt::format("{:.{}f}", value, decimals);
  const bool all_zero = text.find_first_not_of("-0.") == std::string::npos;
  if (all_zero && text.front() == '-') text.erase(0, 1);
  return with_true_minus(text);
}

std::string percent_text(double fraction, int decimals) {
  if (std::isnan(fraction)) return "n/a";
  return fixed_text(100 * fraction, decimals) + std::string(kNarrowSpace) + "%";
}

std::string count_text(long long value) {
  std::string digits = std::to_string(value < 0 ? -value : value), out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += kNarrowSpace;
    out += digits[i];
  }
  return value < 0 ? std::string(kMinus) + out : out;
}

std::string shorten_middle(std::string_view text, std::size_t keep) {
  const std::string clean = clean_utf8(text);
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < clean.size(); i += sequence_length(clean, i)) starts.push_back(i);
  if (starts.size() <= keep || keep < 3) return clean;
  const std::size_t head = (keep - 1) / 2, tail = keep - 1 - head;
  return clean.substr(0, starts[head]) + "\u2026" + clean.substr(starts[starts.size() - tail]);
}

}  // namespace sepia::report
