#include "tools/evaluate/scored_split.h"

#include <utility>

#include "engine/metrics/grouping.h"
#include "engine/train/inference.h"

namespace sepia::tools {

ScoredSplit score_split(nn::Module& model, const models::ModelSpec& spec, const Dataset& dataset, const ScoreOptions& options) {
  ScoredSplit scored;
  scored.logits = train::compute_logits(model, dataset, {.normalisation = spec.normalisation, .batch_size = options.batch_size, .workers = options.workers,
                                                         .samples = {}, .on_batch = [&](std::size_t done) {
                                                           if (options.progress) options.progress(done);
                                                           return true;
                                                         }});
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    scored.paths.push_back(dataset.path(i));
    scored.labels.push_back(static_cast<std::uint8_t>(dataset.label(i)));
  }
  if (!options.group_by.empty()) {
    GroupedScores groups = group_scores(scored.paths, scored.labels, scored.logits, options.group_by);
    scored.paths = std::move(groups.names);
    scored.labels = std::move(groups.labels);
    scored.logits = std::move(groups.logits);
    scored.pictures = std::move(groups.pictures);
  }
  EvaluationParams params;
  params.threshold = options.threshold;
  params.bootstrap.seed = options.seed;
  params.bootstrap.replicates = options.bootstrap_replicates;
  scored.evaluation = evaluate(scored.logits, scored.labels, params);
  return scored;
}

}  // namespace sepia::tools
