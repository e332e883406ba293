// The weight-randomisation check over a split, and what it says to people and machines.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/explain/sanity.h"
#include "tools/explain/figures.h"
#include "tools/report/canvas.h"

namespace sepia::tools {

struct SanityRun {
  explain::ExplainOptions explain{};
  ClassRule class_rule = ClassRule::kTrue;
  std::uint64_t seed = 0;  ///< which pictures; the first redraw's weights
  int redraws = 3;
  std::size_t pictures = 16;
  int batch_size = 8;
};

/// Reads the pictures and runs explain::sanity_check on them.
explain::SanityResult run_sanity_check(const FigureSource& source, const SanityRun& run, const std::function<void(std::size_t, std::size_t)>& progress = {});

/// One line of verdict: what passes or fails, by which figures, and what that means.
std::string sanity_verdict(const explain::SanityResult& result, const SanityRun& run, const std::string& model);

/// The cascade as a table, then the verdict.
std::string sanity_text(const explain::SanityResult& result, const SanityRun& run, const std::string& model);
nlohmann::ordered_json sanity_json(const explain::SanityResult& result, const SanityRun& run);

/// The cascade drawn: rank correlation after each layer, with the limit.
report::Figure sanity_figure(const explain::SanityResult& result, const SanityRun& run);

}  // namespace sepia::tools
