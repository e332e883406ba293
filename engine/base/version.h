// Which sepia this is; written into configurations and weights so that a result can be traced to the code that made it.
#pragma once

#include <string_view>

namespace sepia {

/// "0.1.0": the project version in CMakeLists.txt.
std::string_view version();

}  // namespace sepia
