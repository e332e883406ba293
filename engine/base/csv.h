// CSV that a spreadsheet opens without running anything in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sepia {

/// One field by RFC 4180: quoted when it holds a comma, quote, CR or LF, inner quotes doubled. A field that begins with
/// = + - @ tab or CR, which spreadsheets read as a formula (OWASP, "CSV injection"), gets an apostrophe in front, unless the
/// whole field is a plain number such as -0.25 or +1e-3.
std::string csv_field(std::string_view text);

/// A number that reads back as the same double ("%.17g" at need, shortest form that round-trips); empty for NaN.
std::string csv_number(double value);

/// Fields joined with commas, ended with "\n". Each field is passed through csv_field.
std::string csv_row(const std::vector<std::string>& fields);

/// The fields of one line that csv_row wrote (without the line break): quotes and the apostrophe in front of formulas are undone.
std::vector<std::string> csv_fields_of(std::string_view line);

}  // namespace sepia
