#include "engine/explain/deletion.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/explain/class_gradients.h"

namespace sepia::explain {
namespace {

double probability_of(std::span<const double> logits, int explained_class) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - largest);
  return std::exp(logits[static_cast<std::size_t>(explained_class)] - largest) / sum;
}

/// `from` with more and more of its pixels, in this order, taken from `to`.
PerturbationCurve curve(nn::Module& model, std::span<const float> from, std::span<const float> to, const std::vector<std::size_t>& order, const Map& map, int explained_class,
                        const CurveOptions& options) {
  const auto steps = static_cast<std::size_t>(options.steps), at_once = static_cast<std::size_t>(options.batch_size);
  std::vector<float> changed(from.begin(), from.end()), batch;
  PerturbationCurve result;
  std::size_t done = 0;
  for (std::size_t step = 0; step <= steps; ++step) {
    for (const std::size_t end = order.size() * step / steps; done < end; ++done) {
      std::copy_n(to.begin() + static_cast<std::ptrdiff_t>(3 * order[done]), 3, changed.begin() + static_cast<std::ptrdiff_t>(3 * order[done]));
    }
    batch.insert(batch.end(), changed.begin(), changed.end());
    const auto waiting = static_cast<std::int64_t>(batch.size() / changed.size());
    if (static_cast<std::size_t>(waiting) < at_once && step < steps) continue;
    const std::vector<double> logits = logits_of(model, input_from_floats(model, batch, {waiting, map.height, map.width, 3}));
    const std::size_t outputs = logits.size() / static_cast<std::size_t>(waiting);
    for (std::size_t i = 0; i < static_cast<std::size_t>(waiting); ++i) result.probability.push_back(probability_of(std::span(logits).subspan(i * outputs, outputs), explained_class));
    batch.clear();
  }
  for (std::size_t i = 0; i < steps; ++i) result.auc += (result.probability[i] + result.probability[i + 1]) / 2 / static_cast<double>(steps);
  return result;
}

}  // namespace

DeletionInsertion deletion_and_insertion(nn::Module& model, std::span<const float> picture, std::span<const float> baseline, const Map& map, int explained_class,
                                         const CurveOptions& options) {
  SEPIA_CHECK(options.steps >= 1 && options.batch_size >= 1, "[deletion] needs at least one step and one picture at once");
  SEPIA_CHECK(picture.size() == 3 * map.values.size() && baseline.size() == picture.size(), "[deletion] picture, baseline and map differ in size");
  std::vector<std::size_t> order(map.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return map.values[i]; });
  DeletionInsertion result;
  for (int i = 0; i <= options.steps; ++i) result.share.push_back(static_cast<double>(i) / options.steps);
  result.deletion = curve(model, picture, baseline, order, map, explained_class, options);
  result.insertion = curve(model, baseline, picture, order, map, explained_class, options);
  return result;
}

}  // namespace sepia::explain
