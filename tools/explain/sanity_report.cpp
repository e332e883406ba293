#include "tools/explain/sanity_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/explain/redraw.h"
#include "tools/explain/words.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

constexpr double kLimit = explain::SanityOptions{}.limit;

}  // namespace

explain::SanityResult run_sanity_check(const FigureSource& source, const SanityRun& run, const std::function<void(std::size_t, std::size_t)>& progress) {
  const std::vector<PictureToExplain> pictures = read_samples(source.dataset, chosen_samples(source.dataset, run.pictures, run.seed), run.class_rule);
  std::vector<Tensor> batches;
  std::vector<std::vector<int>> classes;
  const auto at_once = static_cast<std::size_t>(run.batch_size);
  for (std::size_t begin = 0; begin < pictures.size(); begin += at_once) {
    std::vector<const Image*> images;
    classes.emplace_back();
    for (std::size_t i = begin; i < std::min(begin + at_once, pictures.size()); ++i) {
      images.push_back(&pictures[i].image);
      classes.back().push_back(pictures[i].asked_class);
    }
    batches.push_back(input_of(source.model, images, run.explain.normalisation));
  }
  return explain::sanity_check(source.model, batches, classes, {.explain = run.explain, .seed = run.seed + explain::kOtherWeights, .redraws = run.redraws, .limit = kLimit}, progress);
}

std::string sanity_verdict(const explain::SanityResult& result, const SanityRun& run, const std::string& model) {
  const std::string method = method_words(run.explain), from = fmt::format("with the weights down to {} drawn anew, or more", result.upper_half().layer);
  if (result.passes) {
    return fmt::format("{} passes for this {}: {}, its maps no longer follow the trained model's (rank correlation at most {:.2f}, limit {}).", method, model, from, result.correlation(), kLimit);
  }
  return fmt::format("{} fails for this {}: {}, its maps stay much the same (rank correlation up to {:.2f}, limit {}); they show the picture or the architecture, not what was learned.", method, model, from,
                     result.correlation(), kLimit);
}

std::string sanity_text(const explain::SanityResult& result, const SanityRun& run, const std::string& model) {
  std::string text = fmt::format("{} on {} pictures, {} redraws; rank correlation with the trained model's maps\n", method_words(run.explain), result.pictures, run.redraws);
  text += fmt::format("  {:<24} {:>6.3f}\n", "(between pictures)", result.between_pictures);
  for (const explain::SanityStep& step : result.steps) {
    text += fmt::format("  {:<24} {:>6.3f}{}\n", "down to " + step.layer, step.correlation, step.empty > 0 ? fmt::format("   {} maps became empty", step.empty) : "");
  }
  return text + sanity_verdict(result, run, model) + "\n";
}

nlohmann::ordered_json sanity_json(const explain::SanityResult& result, const SanityRun& run) {
  nlohmann::ordered_json json = {{"check", "weight randomisation"}};
  json.update(settings_json(run.explain));
  json["pictures"] = result.pictures;
  json["redraws"] = run.redraws;
  json["steps"] = nlohmann::ordered_json::array();
  for (const explain::SanityStep& step : result.steps) json["steps"].push_back({{"layer", step.layer}, {"rank_correlation", step.correlation}, {"empty", step.empty}});
  json["between_pictures"] = result.between_pictures;
  json["rank_correlation"] = result.correlation();
  json["from_layer"] = result.upper_half().layer;
  json["limit"] = kLimit;
  json["passes"] = result.passes;
  return json;
}

report::Figure sanity_figure(const explain::SanityResult& result, const SanityRun& run) {
  constexpr double kLeft = 60, kTop = 44, kStep = 64, kHeight = 180;
  report::Figure figure;
  const std::string title = fmt::format("{}: {} the weight-randomisation check", method_words(run.explain), result.passes ? "passes" : "fails");
  figure.width = std::max(kLeft + kStep * static_cast<double>(result.steps.size()) + 90, report::text_width(title, {.size = 14, .bold = true}) + 28);
  figure.height = kTop + kHeight + 96;
  figure.alt = title + ".";
  figure.draw = [result, title, width = figure.width](report::Canvas& canvas) {
    using report::Ink;
    const auto y_of = [&](double rho) { return kTop + kHeight * (1 - (rho + 0.25) / 1.25); };
    canvas.text({14, 28}, title, {.size = 14, .bold = true});
    for (const double rho : {0.0, 0.25, 0.5, 0.75, 1.0}) {
      canvas.line({kLeft, y_of(rho)}, {width - 20, y_of(rho)}, {.ink = rho == 0 ? Ink::kAxis : Ink::kGrid});
      canvas.text({kLeft - 6, y_of(rho) + 3.5}, report::number_text(rho), {.size = 10, .ink = Ink::kMuted, .anchor = report::Anchor::kEnd});
    }
    canvas.line({kLeft, y_of(kLimit)}, {width - 20, y_of(kLimit)}, {.ink = Ink::kReference, .width = 1.5, .dash = report::Dash::kDashed});
    canvas.text({width - 20, y_of(kLimit) - 5}, "limit", {.size = 10, .ink = Ink::kReference, .anchor = report::Anchor::kEnd});
    std::vector<report::Point> points{{kLeft + 20, y_of(1)}};
    canvas.text({kLeft + 20, kTop + kHeight + 16}, "trained", {.size = 10, .ink = Ink::kMuted, .anchor = report::Anchor::kEnd, .angle = 45});
    for (const explain::SanityStep& step : result.steps) {
      points.push_back({points.back().x + kStep, y_of(std::max(step.correlation, -0.25))});
      canvas.text({points.back().x, kTop + kHeight + 16}, step.layer, {.size = 10, .ink = Ink::kMuted, .anchor = report::Anchor::kEnd, .angle = 45});
    }
    canvas.polyline(points, {.ink = Ink::kTest, .width = 2});
    for (const report::Point& point : points) canvas.circle(point, 3.5, {.ink = Ink::kTest});
    canvas.text({18, kTop + kHeight / 2}, "rank correlation of maps", {.size = 10, .ink = Ink::kMuted, .anchor = report::Anchor::kMiddle, .angle = 90});
    canvas.text({kLeft, kTop + kHeight + 84}, "weights drawn anew from the output down to this layer", {.size = 10, .ink = Ink::kMuted});
  };
  return figure;
}

}  // namespace sepia::tools
