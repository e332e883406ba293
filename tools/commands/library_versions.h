// Which versions of the third-party libraries this process runs with.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sepia::cli {

/// (library, version) for `doctor` and for the settings that a run keeps.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace sepia::cli
