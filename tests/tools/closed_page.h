// A page that is whole by itself.
#pragma once

#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "tests/tools/markup.h"

namespace sepia::test {

/// Nothing that a browser would fetch or run beside the page's own script.
inline void expect_closed(const std::string& html) {
  EXPECT_EQ(markup_fault(html, true), "");
  EXPECT_EQ(occurrences(html, "<script"), 1);
  EXPECT_EQ(occurrences(html, "://"), occurrences(html, "xmlns=\"http://www.w3.org/2000/svg\"")) << "an address";
  for (const char* loader : {"<link", "@import", "url(", "<iframe", "<object", "<embed", "srcset", "@font-face"}) {
    EXPECT_EQ(html.find(loader), std::string::npos) << loader;
  }
  const std::regex source("(src|href)=\"([^\"]{0,22})");
  for (std::sregex_iterator match(html.begin(), html.end(), source), end; match != end; ++match) {
    const std::string target = (*match)[2];
    EXPECT_TRUE(target.starts_with("data:image/") || target.starts_with("#")) << target;
  }
  EXPECT_FALSE(std::regex_search(html, std::regex("<[^>]* on[a-z]+=\""))) << "an inline event handler";
}

}  // namespace sepia::test
