// "Did you mean": the known word nearest to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sepia::cli {

/// Edits (insert, delete, replace, swap of two neighbours) that turn `a` into `b`: the optimal string alignment distance.
int edit_distance(std::string_view a, std::string_view b);

/// The word of `known` nearest to `word`: one that `word` begins, or one at most a third of its length (2 at least) of edits
/// away; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace sepia::cli
