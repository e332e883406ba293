// Where tests find real photographs, which are not part of the project.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace sepia::test {

/// SEPIA_FACES_DIR, or the folder beside the checkout where the project's developers keep theirs. May be absent: tests that
/// need it skip, saying so.
inline std::filesystem::path real_faces_dir() {
  if (const char* folder = std::getenv("SEPIA_FACES_DIR")) return folder;
  return std::filesystem::path(SEPIA_SOURCE_DIR) / "../shared/data/faces";
}

}  // namespace sepia::test

/// Skips the running test when there are no real photographs.
#define SEPIA_NEED_REAL_FACES()                                                                                  \
  if (!std::filesystem::is_directory(::sepia::test::real_faces_dir() / "synthetic"))                             \
  GTEST_SKIP() << "no real photographs at " << ::sepia::test::real_faces_dir() << "; set SEPIA_FACES_DIR to a folder that has them"
