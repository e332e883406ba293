// The mean maps and their control: see draw_means in figures.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "engine/base/error.h"
#include "engine/explain/mean_map.h"
#include "engine/explain/rank_correlation.h"
#include "engine/explain/redraw.h"
#include "tools/explain/figures.h"
#include "tools/explain/npy.h"
#include "tools/explain/sheet.h"
#include "tools/explain/words.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

/// A mean and control are called alike above this rank correlation; a period is called present above this share.
constexpr double kAlike = 0.5, kPresent = 0.5;

using ByClass = std::array<explain::MeanMap, kClassCount>;

/// Explains every picture of the split, a few at a time. `classes` gives the class of each sample; empty ones are filled by what was explained.
ByClass means_of(const FigureSource& source, const FigureOptions& options, std::vector<int>& classes, std::size_t done_before, std::size_t total) {
  ByClass means;
  const std::size_t at_once = static_cast<std::size_t>(options.batch_size);
  const bool known = !classes.empty();
  for (std::size_t begin = 0; begin < source.dataset.size(); begin += at_once) {
    std::vector<std::size_t> samples;
    for (std::size_t i = begin; i < std::min(begin + at_once, source.dataset.size()); ++i) samples.push_back(i);
    std::vector<PictureToExplain> pictures = read_samples(source.dataset, samples, options.class_rule);
    for (std::size_t i = 0; known && i < samples.size(); ++i) pictures[i].asked_class = classes[samples[i]];
    const std::vector<explain::Explanation> explanations = explain_pictures(source.model, pictures, options.explain, options.batch_size);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (!known) classes.push_back(explanations[i].explained_class);
      means[static_cast<std::size_t>(source.dataset.label(samples[i]))].add(at_picture_size(explanations[i].map, source.spec.image_size));
    }
    if (options.progress) options.progress(done_before + begin + samples.size(), total);
  }
  return means;
}

nlohmann::ordered_json facts_json(const explain::MeanMap& means, const explain::Map& mean) {
  nlohmann::ordered_json facts = {{"maps", means.count()}, {"empty", means.empty()}};
  const explain::Extremes range = explain::extremes(mean);
  facts["min"] = range.min;
  facts["max"] = range.max;
  facts["hotspots"] = nlohmann::ordered_json::array();
  for (const explain::Hotspot& spot : explain::hotspots(mean)) {
    facts["hotspots"].push_back({{"x", spot.x}, {"y", spot.y}, {"radius", spot.radius}, {"share", spot.share}});
  }
  if (const auto period = explain::strongest_period(mean)) {
    facts["period_px"] = period->pixels;
    facts["period_share"] = period->share;
    facts["period_chance"] = period->chance;
  } else {
    facts["period_px"] = nullptr;
    facts["period_share"] = nullptr;
    facts["period_reason"] = "the map is empty or smaller than 32x32";
  }
  return facts;
}

/// What a reader must know before reading a pattern into the mean: is it there untrained?
std::string warning_of(const char* label, const nlohmann::ordered_json& facts, const nlohmann::ordered_json& control, std::optional<double> rho) {
  std::string words;
  const bool periods = facts["period_px"].is_number() && control["period_px"].is_number();
  if (periods && facts["period_share"] >= kPresent && control["period_share"] >= kPresent && facts["period_px"] == control["period_px"]) {
    words = fmt::format("{}: the grid of {} pixels explains {} of this mean's fine structure, and {} of the untrained network's: it comes from the network's strides, not from training.", label,
                        facts["period_px"].get<int>(), report::percent_text(facts["period_share"], 0), report::percent_text(control["period_share"], 0));
  } else if (periods && facts["period_share"] >= kPresent) {
    words = fmt::format("{}: a grid of {} pixels explains {} of the mean's fine structure.", label, facts["period_px"].get<int>(), report::percent_text(facts["period_share"], 0));
  }
  if (rho && *rho >= kAlike) {
    words += fmt::format("{}{}rank correlation with the control {}: much of this map is there untrained.", words.empty() ? std::string(label) + ": " : std::string(), words.empty() ? "" : " Its ",
                         report::number_text(*rho, 2));
  }
  return words;
}

}  // namespace

DrawnFigure draw_means(const FigureSource& source, const FigureOptions& options) {
  const std::size_t total = 2 * source.dataset.size();
  std::vector<int> classes;
  const ByClass trained = means_of(source, options, classes, 0, total);
  const ByClass control = [&] {
    explain::Redraw redraw(source.model, options.seed + explain::kOtherWeights);
    redraw.redraw_all();
    return means_of(source, options, classes, source.dataset.size(), total);
  }();

  const std::string name = fmt::format("means.{}", explain::facts_of(options.explain.method).name);
  nlohmann::ordered_json index = {{"figure", name}, {"files", {name + ".svg", name + ".png"}}};
  index.update(settings_json(options.explain));
  Sheet sheet;
  sheet.grid.title = fmt::format("Mean of {}", method_words(options.explain));
  sheet.grid.row_labels = {"this model", "weights re-drawn"};
  sheet.grid.rows.resize(2);
  sheet.grid.cell = options.mean_cell;
  std::vector<std::string> notes{meaning_words(options.explain.method) + " Each map was stretched to 0 to 1 before the mean was taken. Below: the control, the same from weights drawn anew."};
  std::vector<explain::Map> maps;  // trained and control of each class in turn
  for (const int label : {kReal, kFake}) {
    const auto& [of_trained, of_control] = std::pair(std::cref(trained[static_cast<std::size_t>(label)]), std::cref(control[static_cast<std::size_t>(label)]));
    if (of_trained.get().count() == 0) {
      index[class_name(label)] = nullptr;
      index[fmt::format("{}_reason", class_name(label))] = "the split holds no picture of this class";
      continue;
    }
    maps.push_back(of_trained.get().mean());
    maps.push_back(of_control.get().mean());
    const explain::Map &mean = maps[maps.size() - 2], &untrained = maps.back();
    nlohmann::ordered_json facts = facts_json(of_trained, mean), other = facts_json(of_control, untrained);
    const auto rho = explain::rank_correlation(mean.values, untrained.values);
    if (const std::string words = warning_of(class_name(label), facts, other, rho); !words.empty()) notes.push_back(words);
    facts["control_rank_correlation"] = rho ? nlohmann::ordered_json(*rho) : nlohmann::ordered_json(nullptr);
    if (!rho) facts["control_rank_correlation_reason"] = "one of the two means is constant";
    facts["npy"] = fmt::format("{}.{}.npy", name, class_name(label));
    other["npy"] = fmt::format("{}.{}.control.npy", name, class_name(label));
    if (!options.out.empty()) {
      write_npy(options.out / facts["npy"].get<std::string>(), mean);
      write_npy(options.out / other["npy"].get<std::string>(), untrained);
    }
    sheet.grid.column_labels.push_back(fmt::format("{} ({})", class_name(label), of_trained.get().count()));
    facts["control"] = std::move(other);
    index[class_name(label)] = std::move(facts);
  }

  ColorScale shared{.low = 1, .high = 0};
  for (const explain::Map& map : maps) {
    shared.low = std::min<double>(shared.low, explain::extremes(map).min);
    shared.high = std::max<double>(shared.high, explain::extremes(map).max);
  }
  if (options.scale.kind == ScaleRule::Kind::kFixed) shared = {.low = 0, .high = options.scale.value};
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const explain::Extremes own = explain::extremes(maps[i]);
    const bool by_itself = options.scale.kind == ScaleRule::Kind::kImage;
    const ColorScale scale = by_itself ? ColorScale{.low = own.min, .high = own.max} : shared;
    sheet.grid.rows[i % 2].push_back({painted(maps[i], scale), fmt::format("{} to {}", report::number_text(own.min, 2), report::number_text(own.max, 2))});
  }
  if (options.scale.kind != ScaleRule::Kind::kImage) sheet.scale = shared;
  index["color_scale"] = options.scale.kind == ScaleRule::Kind::kImage ? nlohmann::ordered_json("image") : nlohmann::ordered_json({shared.low, shared.high});
  if (options.notes_below) sheet.notes = notes;
  DrawnFigure drawn{.figure = draw_sheet(sheet), .notes = std::move(notes), .index = std::move(index)};
  if (!options.out.empty()) report::save_figure(drawn.figure, options.out / name);
  return drawn;
}

}  // namespace sepia::tools
