// Documentation that quotes code must quote what is there, and links must lead somewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> pages() {
  const fs::path root = SEPIA_SOURCE_DIR;
  std::vector<fs::path> found{root / "README.md", root / "CONTRIBUTING.md"};
  for (const char* top : {"docs", "engine", "kernels", "models", "data", "tools", "tests", "bench", "examples", "include", "cmake"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      if (entry.path().extension() == ".md") found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

struct Quote {
  std::string path, code;
};

/// Code blocks that stand below a line which is nothing but a path in backquotes.
std::vector<Quote> quotes_of(const std::string& page) {
  static const std::regex kPath(R"(^`([a-z0-9_/.-]+\.(?:h|cpp))`$)");
  std::vector<Quote> quotes;
  std::istringstream lines(page);
  std::string path, line;
  while (std::getline(lines, line)) {
    std::smatch match;
    if (line.starts_with("```")) {
      std::string code;
      while (std::getline(lines, line) && line != "```") code += line + "\n";
      if (!path.empty()) quotes.push_back({path, code});
    }
    if (!line.empty()) path = std::regex_match(line, match, kPath) ? match[1].str() : "";
  }
  return quotes;
}

TEST(Docs, QuotedCodeIsInTheTree) {
  std::size_t quotes = 0;
  for (const fs::path& page : pages()) {
    for (const Quote& quote : quotes_of(bytes_of(page))) {
      ++quotes;
      const fs::path source = fs::path(SEPIA_SOURCE_DIR) / quote.path;
      EXPECT_NE(bytes_of(source).find(quote.code), std::string::npos)
          << page.string() << " quotes " << quote.path << ", which no longer holds these lines; copy them anew:\n"
          << quote.code;
    }
  }
  EXPECT_GT(quotes, 10U);
}

TEST(Docs, LinksLeadSomewhere) {
  static const std::regex kLink(R"(\]\(([^)#:\s]+)\))");
  std::size_t links = 0;
  for (const fs::path& page : pages()) {
    const std::string text = bytes_of(page);
    for (std::sregex_iterator link(text.begin(), text.end(), kLink), end; link != end; ++link) {
      ++links;
      const fs::path target = page.parent_path() / (*link)[1].str();
      const bool in_a_comment = text.rfind("<!--", link->position()) != std::string::npos &&
                                text.find("-->", text.rfind("<!--", link->position())) > static_cast<std::size_t>(link->position());
      EXPECT_TRUE(in_a_comment || fs::exists(target)) << page.string() << " links to " << (*link)[1] << ", which is not there";
    }
  }
  EXPECT_GT(links, 5U);
}

}  // namespace
}  // namespace sepia::test
