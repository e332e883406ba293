#include "engine/explain/sanity.h"

#include <algorithm>
#include <optional>

#include "engine/explain/rank_correlation.h"
#include "engine/explain/redraw.h"

namespace sepia::explain {
namespace {

/// Maps at the size that the method makes them (enlarged ones would agree with their neighbours, not with each other), as magnitudes.
std::vector<Map> magnitude_maps(std::vector<Explanation>&& explanations) {
  std::vector<Map> maps;
  for (const Explanation& explanation : explanations) maps.push_back(magnitudes(explanation.map));
  return maps;
}

double mean_between(const std::vector<Map>& maps) {
  double sum = 0;
  std::size_t pairs = 0;
  for (std::size_t i = 0; i + 1 < maps.size(); ++i) {
    if (const auto rho = rank_correlation(maps[i].values, maps[i + 1].values)) {
      sum += *rho;
      ++pairs;
    }
  }
  return pairs > 0 ? sum / static_cast<double>(pairs) : 0;
}

}  // namespace

double SanityResult::correlation() const {
  return std::max_element(&upper_half(), steps.data() + steps.size(), [](const SanityStep& a, const SanityStep& b) { return a.correlation < b.correlation; })->correlation;
}

SanityResult sanity_check(nn::Module& model, const std::vector<Tensor>& batches, const std::vector<std::vector<int>>& classes, const SanityOptions& options,
                          const std::function<void(std::size_t, std::size_t)>& progress) {
  SEPIA_CHECK(!batches.empty() && batches.size() == classes.size() && options.redraws >= 1, "[sanity] needs pictures, their classes and at least one redraw");
  std::vector<std::vector<Map>> trained;
  std::vector<std::vector<int>> resolved;
  SanityResult result;
  std::vector<Map> all;
  for (std::size_t b = 0; b < batches.size(); ++b) {
    std::vector<Explanation> explanations = explain(model, batches[b], classes[b], options.explain);
    resolved.emplace_back();
    for (const Explanation& explanation : explanations) resolved.back().push_back(explanation.explained_class);
    trained.push_back(magnitude_maps(std::move(explanations)));
    for (const Map& map : trained.back()) {
      if (!is_empty(map)) all.push_back(map);
    }
  }
  result.pictures = all.size();
  SEPIA_CHECK_KIND(result.pictures > 0, ErrorKind::kData, "[sanity] every map by the trained model is empty: there is nothing to compare; try another --class or --layer");
  result.between_pictures = mean_between(all);

  const double weight = 1.0 / (static_cast<double>(result.pictures) * options.redraws);
  std::size_t done = 0;
  for (int r = 0; r < options.redraws; ++r) {
    Redraw redraw(model, options.seed + static_cast<std::uint64_t>(r));
    const std::vector<std::string>& layers = redraw.layers();
    result.steps.resize(layers.size());
    for (std::size_t l = 0; l < layers.size(); ++l) {
      redraw.redraw(layers[l]);
      result.steps[l].layer = layers[l];
      for (std::size_t b = 0; b < batches.size(); ++b) {
        const std::vector<Map> maps = magnitude_maps(explain(model, batches[b], resolved[b], options.explain));
        for (std::size_t i = 0; i < maps.size(); ++i) {
          if (is_empty(trained[b][i])) continue;
          result.steps[l].empty += is_empty(maps[i]);
          result.steps[l].correlation += weight * rank_correlation(trained[b][i].values, maps[i].values).value_or(0);
        }
      }
      if (progress) progress(++done, layers.size() * static_cast<std::size_t>(options.redraws));
    }
  }
  result.passes = result.correlation() < options.limit;
  return result;
}

}  // namespace sepia::explain
