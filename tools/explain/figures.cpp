#include "tools/explain/figures.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/loader.h"
#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "tools/explain/sheet.h"
#include "tools/explain/words.h"

namespace sepia::tools {
namespace {

constexpr std::size_t kGridSamples = 36, kGridColumns = 6, kOverlaysPerClass = 3;

/// Samples with their explanations and maps at the size of the pictures.
struct Explained {
  std::vector<std::size_t> samples;
  std::vector<PictureToExplain> pictures;
  std::vector<explain::Explanation> explanations;
  std::vector<explain::Map> maps;
  std::vector<ColorScale> scales;

  std::vector<const explain::Map*> map_pointers() const {
    std::vector<const explain::Map*> pointers;
    for (const explain::Map& map : maps) pointers.push_back(&map);
    return pointers;
  }
};

Explained explained(const FigureSource& source, const FigureOptions& options, std::vector<std::size_t> samples) {
  SEPIA_CHECK_KIND(!samples.empty(), ErrorKind::kData, "the split holds no picture to explain");
  Explained result;
  result.samples = std::move(samples);
  result.pictures = read_samples(source.dataset, result.samples, options.class_rule);
  result.explanations = explain_pictures(source.model, result.pictures, options.explain, options.batch_size, [&](std::size_t done) {
    if (options.progress) options.progress(done, result.samples.size());
  });
  for (const explain::Explanation& explanation : result.explanations) result.maps.push_back(at_picture_size(explanation.map, source.spec.image_size));
  result.scales = color_scales(result.map_pointers(), options.scale, explain::facts_of(options.explain.method));
  return result;
}

std::string caption(const FigureSource& source, const Explained& e, std::size_t i) {
  const char* label = class_name(source.dataset.label(e.samples[i]));
  const std::string explained_class = class_name(e.explanations[i].explained_class);
  return explained_class == label ? label : fmt::format("{}, map for {}", label, explained_class);
}

/// What the notes below say about the colours.
std::vector<std::string> notes_of(const FigureOptions& options, const Explained& e) {
  std::vector<std::string> notes{meaning_words(options.explain.method)};
  const auto empty = std::ranges::count_if(e.explanations, [](const explain::Explanation& x) { return explain::is_empty(x.map); });
  if (empty > 0) notes.push_back(fmt::format("{} of {} maps are empty and left without colours.", empty, e.maps.size()));
  if (options.scale.kind == ScaleRule::Kind::kImage) {
    notes.emplace_back("Each map has its own scale of colours: brightness cannot be compared between maps.");
  } else if (const std::string words = saturation_words(e.scales.front(), e.map_pointers()); !words.empty()) {
    notes.push_back(words);
  }
  double worst = 0;
  for (const explain::Explanation& x : e.explanations) worst = x.completeness && x.completeness->relative_gap > worst ? x.completeness->relative_gap : worst;
  if (options.explain.method == explain::Method::kIntegratedGradients) notes.push_back(fmt::format("Largest completeness gap: {:.2f} %.", 100 * worst));
  return notes;
}

nlohmann::ordered_json index_of(const FigureSource& source, const FigureOptions& options, const Explained& e, const std::string& name) {
  nlohmann::ordered_json maps = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < e.samples.size(); ++i) {
    nlohmann::ordered_json entry = explanation_json({{"path", source.dataset.path(e.samples[i])}, {"label", class_name(source.dataset.label(e.samples[i]))}}, e.explanations[i], e.maps[i]);
    entry["color_scale"] = {e.scales[i].low, e.scales[i].high};
    maps.push_back(std::move(entry));
  }
  nlohmann::ordered_json index = {{"figure", name}, {"files", {name + ".svg", name + ".png"}}};
  index.update(settings_json(options.explain));
  index["maps"] = std::move(maps);
  return index;
}

DrawnFigure finish(const FigureSource& source, const FigureOptions& options, const Explained& e, Sheet&& sheet, const std::string& figure) {
  if (options.scale.kind != ScaleRule::Kind::kImage) sheet.scale = e.scales.front();
  const std::vector<std::string> notes = notes_of(options, e);
  if (options.notes_below) sheet.notes = notes;
  const std::string name = fmt::format("{}.{}", figure, explain::facts_of(options.explain.method).name);
  DrawnFigure drawn{.figure = draw_sheet(sheet), .notes = notes, .index = index_of(source, options, e, name)};
  if (!options.out.empty()) report::save_figure(drawn.figure, options.out / name);
  return drawn;
}

}  // namespace

std::vector<std::size_t> chosen_samples(const Dataset& dataset, std::size_t count, std::uint64_t seed, int label) {
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    if (label < 0 || dataset.label(i) == label) candidates.push_back(i);
  }
  if (candidates.empty()) return {};
  std::vector<std::size_t> chosen = sample_order(dataset.size(), {.shuffle = true, .seed = seed, .samples = candidates});
  chosen.resize(std::min(chosen.size(), count));
  std::ranges::sort(chosen);
  return chosen;
}

std::vector<PictureToExplain> read_samples(const Dataset& dataset, const std::vector<std::size_t>& samples, ClassRule rule) {
  std::vector<PictureToExplain> pictures(samples.size());
  parallel_for(static_cast<std::int64_t>(samples.size()), [&](std::int64_t i) {
    const std::size_t sample = samples[static_cast<std::size_t>(i)];
    pictures[static_cast<std::size_t>(i)] = {dataset.at(sample).image, class_to_explain(rule, dataset.label(sample))};
  });
  return pictures;
}

DrawnFigure draw_grid36(const FigureSource& source, const FigureOptions& options) {
  const Explained e = explained(source, options, chosen_samples(source.dataset, kGridSamples, options.seed));
  Sheet sheet;
  sheet.grid.title = fmt::format("{}: {} samples", method_words(options.explain), e.samples.size());
  sheet.grid.cell = 96;
  for (std::size_t i = 0; i < e.samples.size(); ++i) {
    if (i % kGridColumns == 0) sheet.grid.rows.emplace_back();
    const bool empty = explain::is_empty(e.explanations[i].map);
    const Image& picture = e.pictures[i].image;
    sheet.grid.rows.back().push_back({picture, caption(source, e, i), source.dataset.label(e.samples[i]) == kFake ? report::Ink::kFake : report::Ink::kReal});
    sheet.grid.rows.back().push_back({empty ? blank(picture.width, picture.height) : painted(e.maps[i], e.scales[i]), empty ? "empty" : ""});
  }
  return finish(source, options, e, std::move(sheet), "grid36");
}

DrawnFigure draw_overlays(const FigureSource& source, const FigureOptions& options) {
  std::vector<std::size_t> samples;
  for (const int label : {kReal, kFake}) {
    const std::vector<std::size_t> of_class = chosen_samples(source.dataset, kOverlaysPerClass, options.seed, label);
    samples.insert(samples.end(), of_class.begin(), of_class.end());
  }
  const Explained e = explained(source, options, std::move(samples));
  Sheet sheet;
  sheet.grid.title = method_words(options.explain) + " over the pictures";
  sheet.grid.cell = 160;
  int row_label = -1;
  for (std::size_t i = 0; i < e.samples.size(); ++i) {
    const int label = source.dataset.label(e.samples[i]);
    if (label != row_label) {
      sheet.grid.rows.emplace_back();
      sheet.grid.row_labels.emplace_back(class_name(label));
      row_label = label;
    }
    const bool empty = explain::is_empty(e.explanations[i].map);
    sheet.grid.rows.back().push_back({e.pictures[i].image, source.dataset.path(e.samples[i])});
    sheet.grid.rows.back().push_back({overlaid(e.pictures[i].image, e.maps[i], e.scales[i]), fmt::format("{}{}", caption(source, e, i), empty ? ", map empty" : "")});
  }
  return finish(source, options, e, std::move(sheet), "overlays");
}

}  // namespace sepia::tools
