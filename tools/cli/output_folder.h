// The rule for folders that a command writes into: new or empty, unless the user says --overwrite.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string_view>

namespace sepia::cli {

/// Makes `folder` (with its parents) ready to be written into and proves at once that it can be, before anything slow.
/// When it holds files already: error kUsage, unless `overwrite`; then the entries named in `stale` are removed, so that
/// nothing of an earlier run can be taken for this one's, and all others are left alone.
/// Errors: kUsage (in use, or not a folder), kPath (cannot be made or written).
void claim_output_folder(const std::filesystem::path& folder, bool overwrite, std::initializer_list<std::string_view> stale = {});

}  // namespace sepia::cli
