// NumPy's file format for one array.
#pragma once

#include <filesystem>

#include "engine/explain/map.h"

namespace sepia::tools {

/// The map as a .npy file (format 1.0, float32, C order, shape (height, width)), written atomically. Throws kPath.
void write_npy(const std::filesystem::path& path, const explain::Map& map);

}  // namespace sepia::tools
