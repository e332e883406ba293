// Whole files, for tests that compare them.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace sepia::test {

/// All bytes of a file; empty when it cannot be read.
inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace sepia::test
