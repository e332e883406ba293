// Escaping, UTF-8 repair, numbers for people, CSV fields.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/tools/markup.h"
#include "engine/base/csv.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(ReportText, CleanUtf8KeepsTextAndReplacesDamage) {
  EXPECT_EQ(clean_utf8("plain"), "plain");
  EXPECT_EQ(clean_utf8("Zoë 漢 \xF0\x9F\x98\x80"), "Zoë 漢 \xF0\x9F\x98\x80");
  EXPECT_EQ(clean_utf8("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(clean_utf8("\xC0\xAF"), "\uFFFD\uFFFD") << "an overlong slash";
  EXPECT_EQ(clean_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "a surrogate";
  EXPECT_EQ(clean_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD") << "beyond U+10FFFF";
  EXPECT_EQ(clean_utf8("cut \xE2\x82"), "cut \uFFFD\uFFFD");
  EXPECT_EQ(clean_utf8(std::string("a\0b\x1B[1m\x7F", 8)), "a\uFFFDb\uFFFD[1m\uFFFD");
  EXPECT_EQ(clean_utf8("\xEF\xBF\xBF"), "\uFFFD") << "U+FFFF is not an XML character";
  EXPECT_EQ(clean_utf8("a\tb\nc"), "a\tb\nc");
}

TEST(ReportText, EscapeMarkupLeavesNothingThatMarkupReads) {
  EXPECT_EQ(escape_markup("<script>alert('1')</script> & \"x\""),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;");
  EXPECT_EQ(test::markup_fault("<p a=\"" + escape_markup("\"'<>&\x01\xFF") + "\">" + escape_markup("]]><!--<b>&amp;") + "</p>"), "");
}

TEST(ReportText, TheMarkupCheckerFindsFaults) {
  EXPECT_NE(test::markup_fault("<a><b></a></b>"), "");
  EXPECT_NE(test::markup_fault("<a x=1/>"), "");
  EXPECT_NE(test::markup_fault("<a>&nbsp;</a>"), "");
  EXPECT_NE(test::markup_fault("<a>"), "");
  EXPECT_NE(test::markup_fault("<a b=\"1\" b=\"2\"/>"), "");
  EXPECT_NE(test::markup_fault("<a b=\"<\"/>"), "");
  EXPECT_EQ(test::markup_fault("<?xml version=\"1.0\"?><a b=\"1\"><c/>x &amp; y</a>"), "");
}

// RFC 4648, section 10.
TEST(ReportText, Base64KnownAnswers) {
  const auto encode = [](std::string_view text) { return base64(std::as_bytes(std::span(text.data(), text.size()))); };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foob"), "Zm9vYg==");
  EXPECT_EQ(encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode("\xFB\xFF\xFE"), "+//+");
}

TEST(ReportText, NumbersForPeople) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(0.5), "0.5");
  EXPECT_EQ(number_text(-0.25), "\u22120.25");
  EXPECT_EQ(number_text(123456.789), "123457");
  EXPECT_EQ(number_text(0.00012345, 3), "0.000123");
  EXPECT_EQ(number_text(1.2345e-5, 2), "1.2\u00D710\u207B\u2075");
  EXPECT_EQ(number_text(9.99996, 3), "10") << "rounds up into the next decade";
  EXPECT_EQ(number_text(999999.9, 3), "1\u00D710\u2076");
  EXPECT_EQ(number_text(kNaN), "n/a");
  EXPECT_EQ(number_text(-std::numeric_limits<double>::infinity()), "\u2212\u221E");
  EXPECT_EQ(fixed_text(-0.0001, 2), "0.00") << "no minus before a zero";
  EXPECT_EQ(percent_text(0.7767), "77.7\u202F%");
  EXPECT_EQ(count_text(16901762), "16\u202F901\u202F762");
  EXPECT_EQ(count_text(-1000), "\u22121\u202F000");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(power_of_ten_text(-12), "10\u207B\u00B9\u00B2");
}

TEST(ReportText, ShortenMiddleCountsCharacters) {
  EXPECT_EQ(shorten_middle("abcdef", 6), "abcdef");
  EXPECT_EQ(shorten_middle("abcdefgh", 5), "ab\u2026gh");
  EXPECT_EQ(shorten_middle("éééééééé", 5), "éé\u2026éé");
}

TEST(ReportCsv, FieldsAreQuotedByRfc4180) {
  EXPECT_EQ(csv_field("plain.jpg"), "plain.jpg");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(csv_field(""), "");
  EXPECT_EQ(csv_row({"a", "", "c,d"}), "a,,\"c,d\"\n");
}

TEST(ReportCsv, FormulasAreDisarmedAndNumbersAreNot) {
  EXPECT_EQ(csv_field("=1+1"), "'=1+1");
  EXPECT_EQ(csv_field("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(csv_field("+cmd|' /C calc'!A0"), "'+cmd|' /C calc'!A0");
  EXPECT_EQ(csv_field("-2+3"), "'-2+3");
  EXPECT_EQ(csv_field("\tx"), "'\tx");
  EXPECT_EQ(csv_field("=HYPERLINK(\"http\",\"x\")"), "\"'=HYPERLINK(\"\"http\"\",\"\"x\"\")\"");
  EXPECT_EQ(csv_field("-0.25"), "-0.25");
  EXPECT_EQ(csv_field("+1e-3"), "+1e-3");
  EXPECT_EQ(csv_field("+-1"), "'+-1");
  EXPECT_EQ(csv_field("-inf"), "'-inf");
}

TEST(ReportCsv, NumbersReadBackTheSame) {
  for (const double value : {0.1, 1.0 / 3, -2.5e-300, 1e17, 0.058}) EXPECT_EQ(std::strtod(csv_number(value).c_str(), nullptr), value);
  EXPECT_EQ(csv_number(kNaN), "");
}

TEST(ShellCommand, QuotesWhatAShellWouldChange) {
  EXPECT_EQ(shell_command(std::vector<std::string>{"sepia", "train", "--data=a/b", "x,y:z@1%+"}), "sepia train --data=a/b x,y:z@1%+");
  EXPECT_EQ(shell_command(std::vector<std::string>{"my faces", "it's", "", "$HOME"}), "'my faces' 'it'\\''s' '' '$HOME'");
  EXPECT_EQ(shell_command(std::vector<std::string>{}), "");
}

}  // namespace
}  // namespace sepia::report
