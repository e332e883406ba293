// Rules of the house that no compiler checks: who may include whom, what a public header may name, how long a file may be.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace sepia::test {
namespace {

namespace fs = std::filesystem;

constexpr int kLongestFile = 400;

/// Files that are longer than kLongestFile for a reason: path -> the reason.
const std::map<std::string, std::string> kLongFiles = {};

/// Folder -> the folders it may include besides itself. `kernels` stands for all of kernels/; every folder that holds
/// tensors may also include the headers of kMemoryHeaders.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"engine/base", {}},
    {"kernels", {"engine/base"}},
    {"engine/tensor", {"engine/base"}},
    {"engine/autograd", {"engine/base", "engine/tensor"}},
    {"engine/ops", {"engine/base", "engine/tensor", "engine/autograd", "kernels"}},
    {"engine/nn", {"engine/base", "engine/tensor", "engine/autograd", "engine/ops"}},
    {"engine/optim", {"engine/base", "engine/tensor", "engine/autograd", "kernels"}},
    {"engine/io", {"engine/base", "engine/tensor", "engine/autograd", "engine/nn"}},
    {"engine/metrics", {"engine/base"}},
    {"engine/explain", {"engine/base", "engine/tensor", "engine/autograd", "engine/ops", "engine/nn", "engine/metrics"}},
    {"engine/parallel", {"engine/base", "engine/tensor"}},
    {"engine/train",
     {"engine/base", "engine/tensor", "engine/autograd", "engine/ops", "engine/nn", "engine/optim", "engine/io", "engine/metrics",
      "engine/parallel", "data"}},
    {"models", {"engine/base", "engine/tensor", "engine/autograd", "engine/ops", "engine/nn"}},
    {"data", {"engine/base", "engine/tensor"}},
};

/// What a tensor needs to own memory on a device: not a kernel.
const std::set<std::string> kMemoryHeaders = {"kernels/backend.h", "kernels/launch.h", "kernels/cuda_library.h"};
const std::set<std::string> kMayIncludeMemoryHeaders = {"engine/tensor", "engine/autograd"};

struct SourceFile {
  std::string path;  ///< from the root, with '/'
  std::vector<std::string> lines;
};

/// All C++ files under the source folders, in path order.
const std::vector<SourceFile>& sources() {
  static const std::vector<SourceFile> files = [] {
    std::vector<SourceFile> found;
    const fs::path root = SEPIA_SOURCE_DIR;
    for (const char* top : {"engine", "kernels", "models", "data", "tools", "tests", "bench", "examples"}) {
      if (!fs::exists(root / top)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
        const std::string extension = entry.path().extension().string();
        if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh") continue;
        SourceFile file{fs::relative(entry.path(), root).generic_string(), {}};
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) file.lines.push_back(line);
        found.push_back(std::move(file));
      }
    }
    std::sort(found.begin(), found.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    return found;
  }();
  return files;
}

/// The folder of kMayInclude that `path` belongs to; empty for tools, tests, bench, examples and system headers.
std::string layer_of(const std::string& path) {
  for (const auto& [layer, allowed] : kMayInclude) {
    if (path.starts_with(layer + "/")) return layer;
  }
  return "";
}

bool is_top_folder(const std::string& path, const std::string& folder) { return path.starts_with(folder + "/"); }

/// Calls visit(quoted, path) for each include of the file.
template <class Visit>
void for_each_include(const SourceFile& file, Visit visit) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  for (const std::string& line : file.lines) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) visit(match[1] == "\"", match[2].str());
  }
}

std::string rule_broken(const std::string& from, const std::string& included) {
  const std::string layer = layer_of(from);
  if (layer.empty()) return "";  // tools, tests, bench: anything
  for (const char* outer : {"tools", "tests", "bench", "examples"}) {
    if (is_top_folder(included, outer)) return from + " includes " + included + ": nothing below includes " + outer + "/";
  }
  const std::string target = layer_of(included);
  if (target.empty() || target == layer || kMayInclude.at(layer).contains(target)) return "";
  if (kMayIncludeMemoryHeaders.contains(layer) && kMemoryHeaders.contains(included)) return "";
  return from + " includes " + included + ": " + layer + " may not know " + target;
}

TEST(SourceRules, TheTreeIsWhereItIsExpected) { EXPECT_GT(sources().size(), 50U); }

TEST(SourceRules, EveryFolderHasALayer) {
  for (const SourceFile& file : sources()) {
    const bool outer = is_top_folder(file.path, "tools") || is_top_folder(file.path, "tests") || is_top_folder(file.path, "bench") ||
                       is_top_folder(file.path, "examples");
    EXPECT_TRUE(outer || !layer_of(file.path).empty()) << file.path << ": add its folder to kMayInclude";
  }
}

TEST(SourceRules, LayersIncludeOnlyWhatIsBelowThem) {
  for (const SourceFile& file : sources()) {
    for_each_include(file, [&](bool quoted, const std::string& included) {
      if (!quoted) return;
      EXPECT_EQ(rule_broken(file.path, included), "");
      EXPECT_TRUE(fs::exists(fs::path(SEPIA_SOURCE_DIR) / included) || !layer_of(file.path).length())
          << file.path << ": \"" << included << "\" is not a path from the root";
    });
  }
}

TEST(SourceRules, TheRuleItselfCanFail) {
  EXPECT_NE(rule_broken("engine/base/shape.cpp", "engine/tensor/tensor.h"), "");
  EXPECT_NE(rule_broken("engine/nn/linear.cpp", "kernels/linear.h"), "");
  EXPECT_NE(rule_broken("data/image.cpp", "engine/nn/module.h"), "");
  EXPECT_NE(rule_broken("engine/io/safetensors.cpp", "tools/cli/json.h"), "");
  EXPECT_EQ(rule_broken("engine/ops/linear.cpp", "kernels/linear.h"), "");
  EXPECT_EQ(rule_broken("tools/sepia.cpp", "engine/train/trainer.h"), "");
}

TEST(SourceRules, PublicHeadersNameOnlyTheStandardLibrary) {
  // <vector>, <cstdint>; of the system only what every compiler and POSIX system has.
  const std::set<std::string> also = {"sys/types.h", "xmmintrin.h", "immintrin.h"};
  for (const SourceFile& file : sources()) {
    const bool kernel_interface = is_top_folder(file.path, "kernels") && std::count(file.path.begin(), file.path.end(), '/') == 1;
    const bool is_public = is_top_folder(file.path, "engine") || is_top_folder(file.path, "models") || is_top_folder(file.path, "data") || kernel_interface;
    if (!is_public || !file.path.ends_with(".h")) continue;
    for_each_include(file, [&](bool quoted, const std::string& included) {
      if (quoted || also.contains(included)) return;
      EXPECT_EQ(included.find_first_of("./"), std::string::npos) << file.path << " includes <" << included << ">";
    });
  }
}

TEST(SourceRules, EveryHeaderIsIncludedOnce) {
  for (const SourceFile& file : sources()) {
    if (!file.path.ends_with(".h") || file.path.ends_with("-inl.h")) continue;  // Highway reads -inl.h once per target
    const bool guarded = std::find(file.lines.begin(), file.lines.end(), "#pragma once") != file.lines.end();
    EXPECT_TRUE(guarded) << file.path << " lacks #pragma once";
  }
}

TEST(SourceRules, NoFileIsTooLong) {
  std::vector<std::pair<std::size_t, std::string>> longest;
  for (const SourceFile& file : sources()) {
    longest.emplace_back(file.lines.size(), file.path);
    const bool allowed = file.lines.size() <= kLongestFile || kLongFiles.contains(file.path);
    EXPECT_TRUE(allowed) << file.path << " has " << file.lines.size() << " lines; past " << kLongestFile << ", look for the seam";
  }
  std::sort(longest.rbegin(), longest.rend());
  for (std::size_t i = 0; i < 5 && i < longest.size(); ++i) std::cout << longest[i].first << " lines  " << longest[i].second << "\n";
}

TEST(SourceRules, NothingIsLeftUnfinished) {
  const std::regex marks("\\b(TO" "DO|FIX" "ME|XX" "X|HA" "CK)\\b");
  for (const SourceFile& file : sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], marks)) << file.path << ":" << i + 1 << ": " << file.lines[i];
    }
  }
}

TEST(SourceRules, EveryTopFolderExplainsItself) {
  for (const char* folder : {"engine", "kernels", "models", "data", "tools", "tests", "bench", "docs", "examples"}) {
    EXPECT_TRUE(fs::exists(fs::path(SEPIA_SOURCE_DIR) / folder / "README.md")) << folder << "/README.md";
  }
}

}  // namespace
}  // namespace sepia::test
