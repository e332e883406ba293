// Text that goes into markup: escaping, damaged UTF-8, base64, and numbers written for people.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sepia::report {

/// The same text as valid UTF-8 that XML 1.0 may contain: each byte that is not part of a well-formed sequence, and each
/// control character but tab and newline, becomes U+FFFD. File names are bytes; cairo and XML accept characters only.
std::string clean_utf8(std::string_view text);

/// clean_utf8, then & < > " ' as entities: safe as the content of an element and inside a quoted attribute.
std::string escape_markup(std::string_view text);

/// Base64 (RFC 4648, with padding).
std::string base64(std::span<const std::byte> bytes);

/// The words as one line that a shell reads back as the same words: what is not plain is quoted.
std::string shell_command(std::span<const std::string> words);
/// The same of a command line of sepia's, by whatever path it was started: begins with "sepia". Empty when there are no words.
std::string sepia_command(std::vector<std::string> words);

/// A number for people: `digits` significant digits, no trailing zeros, a true minus sign, "n/a" for NaN, and 1.2e-5 as
/// "1.2×10⁻⁵" outside of [1e-4, 1e6).
std::string number_text(double value, int digits = 4);

/// A fixed number of decimals with a true minus sign; "n/a" for NaN.
std::string fixed_text(double value, int decimals);

/// A fraction as percent, for example 0.7767 -> "77.7 %"; "n/a" for NaN.
std::string percent_text(double fraction, int decimals = 1);

/// A power of ten as "10⁻³".
std::string power_of_ten_text(int exponent);

/// An integer with thousands separated by a narrow no-break space: 16 901 762.
std::string count_text(long long value);

/// The first `keep` characters' worth of a long name with an ellipsis in its middle; whole when it is short enough.
/// Counts code points, so that it never cuts a character.
std::string shorten_middle(std::string_view text, std::size_t keep);

}  // namespace sepia::report
