#include "tools/explain/single_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "data/dataset.h"
#include "data/image_read.h"
#include "data/resize.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/parallel_for.h"
#include "engine/base/sha256.h"
#include "engine/explain/deletion.h"
#include "engine/metrics/scores.h"
#include "tools/explain/npy.h"
#include "tools/explain/sheet.h"
#include "tools/explain/words.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

namespace fs = std::filesystem;

/// One file on its way.
struct Item {
  std::string path, name, sha256, error;
  Image image;
  explain::Explanation explanation;
  explain::Map map;  ///< at the size of the picture
};

Item read_item(const std::string& path, const std::string& name, int image_size) {
  Item item{.path = path, .name = name, .sha256 = {}, .error = {}, .image = {}, .explanation = {}, .map = {}};
  try {
    const std::vector<std::byte> bytes = read_file(path, kMaxImageFileBytes);
    item.sha256 = sha256_hex(bytes);
    item.image = resize_and_crop(decode_image(bytes, path), image_size);
  } catch (const Error& error) {
    item.error = error.what();
  }
  return item;
}

Sheet sheet_of(const Item& item, const explain::ExplainOptions& options, const ColorScale& scale) {
  const bool empty = explain::is_empty(item.explanation.map);
  const Image map = empty ? blank(item.image.width, item.image.height) : painted(item.map, scale);
  Sheet sheet;
  sheet.grid.title = fmt::format("{} for \"{}\"", method_words(options), class_name(item.explanation.explained_class));
  sheet.grid.column_labels = {"picture", empty ? "map: empty" : "map", "map over the picture"};
  sheet.grid.rows = {{{item.image, report::shorten_middle(fs::path(item.path).filename().string(), 40)}, {map, ""}, {overlaid(item.image, item.map, scale), ""}}};
  sheet.grid.cell = 256;
  sheet.scale = scale;
  const double score = item.explanation.logits[static_cast<std::size_t>(item.explanation.explained_class)];
  const std::string size = explain::facts_of(options.method).cam ? fmt::format(" The layer's map has {}x{} values, enlarged bilinearly.", item.explanation.map.height, item.explanation.map.width) : "";
  sheet.notes = {meaning_words(options.method) + size, fmt::format("Score of the class (logit): {}.", report::number_text(score))};
  if (item.explanation.logits.size() == 2) {
    sheet.notes.back() += fmt::format(" Probability of fake: {}.", report::number_text(softmax(Logits2{item.explanation.logits[0], item.explanation.logits[1]})[1]));
  }
  if (empty) sheet.notes.push_back("The map is empty: nothing at this layer speaks for the class.");
  if (const std::string words = saturation_words(scale, {&item.map}); !words.empty() && !empty) sheet.notes.push_back(words);
  if (const std::string words = completeness_words(item.explanation); !words.empty()) sheet.notes.push_back(words);
  return sheet;
}

nlohmann::ordered_json curves_json(nn::Module& model, const Item& item, const SingleMapsOptions& options) {
  const std::vector<float> picture = explain::to_floats(input_of(model, {&item.image}, options.explain.normalisation));
  const std::vector<float> baseline = explain::baseline_of(options.explain.baseline, picture, item.map.height, item.map.width, options.explain.normalisation);
  const explain::DeletionInsertion curves =
      explain::deletion_and_insertion(model, picture, baseline, item.map, item.explanation.explained_class, {.batch_size = options.batch_size});
  return {{"baseline", explain::baseline_name(options.explain.baseline)}, {"deletion_auc", curves.deletion.auc}, {"insertion_auc", curves.insertion.auc},
          {"share", curves.share}, {"deletion", curves.deletion.probability}, {"insertion", curves.insertion.probability}};
}

/// Writes what belongs to the items and reports them.
void finish(nn::Module& model, const std::vector<Item>& items, const SingleMapsOptions& options, const std::function<void(const nlohmann::ordered_json&)>& report) {
  const explain::MethodFacts& facts = explain::facts_of(options.explain.method);
  std::vector<const explain::Map*> maps;
  for (const Item& item : items) {
    if (item.error.empty()) maps.push_back(&item.map);
  }
  const std::vector<ColorScale> scales = color_scales(maps, options.scale, facts);
  std::size_t next = 0;
  for (const Item& item : items) {
    if (!item.error.empty()) {
      report({{"path", item.path}, {"error", item.error}});
      continue;
    }
    const ColorScale& scale = scales[next++];
    const std::string stem = fmt::format("{}.{}", item.name, facts.name);
    write_npy(options.out / (stem + ".npy"), item.map);
    write_file_atomic(options.out / (stem + ".png"), report::to_png(draw_sheet(sheet_of(item, options.explain, scale)), 1.5));
    nlohmann::ordered_json entry = {{"path", item.path}, {"sha256", item.sha256}, {"npy", stem + ".npy"}, {"png", stem + ".png"}};
    entry.update(settings_json(options.explain));
    entry = explanation_json(std::move(entry), item.explanation, item.map);
    entry["color_scale"] = {scale.low, scale.high};
    if (options.curves) entry["curves"] = curves_json(model, item, options);
    report(entry);
  }
}

}  // namespace

std::vector<std::string> map_names(const std::vector<std::string>& files) {
  std::map<std::string, int> stems, taken;
  for (const std::string& file : files) ++stems[fs::path(file).stem().string()];
  std::vector<std::string> names;
  for (const std::string& file : files) {
    const fs::path path = fs::path(file).lexically_normal();
    std::string name = path.stem().string();
    const std::string parent = path.parent_path().filename().string();
    if (stems[name] > 1 && !parent.empty()) name = parent + "_" + name;
    const int times = ++taken[name];
    names.push_back(times == 1 ? name : fmt::format("{}_{}", name, times));
  }
  return names;
}

void write_single_maps(nn::Module& model, const models::ModelSpec& spec, const std::vector<std::string>& files, const SingleMapsOptions& options,
                       const std::function<void(const nlohmann::ordered_json&)>& report) {
  const std::vector<std::string> names = map_names(files);
  const bool together = options.scale.kind == ScaleRule::Kind::kShared;
  const auto at_once = static_cast<std::size_t>(options.batch_size);
  std::vector<Item> items;
  for (std::size_t begin = 0; begin < files.size(); begin += at_once) {
    const std::size_t first = items.size(), count = std::min(at_once, files.size() - begin);
    items.resize(first + count);
    parallel_for(static_cast<std::int64_t>(count), [&](std::int64_t i) {
      const std::size_t k = begin + static_cast<std::size_t>(i);
      items[first + static_cast<std::size_t>(i)] = read_item(files[k], names[k], static_cast<int>(spec.image_size));
    });
    std::vector<PictureToExplain> pictures;
    for (std::size_t i = first; i < items.size(); ++i) {
      if (items[i].error.empty()) pictures.push_back({items[i].image, class_to_explain(options.class_rule, explain::kPredictedClass)});
    }
    std::vector<explain::Explanation> explanations = explain_pictures(model, pictures, options.explain, options.batch_size);
    auto next = explanations.begin();
    for (std::size_t i = first; i < items.size(); ++i) {
      if (!items[i].error.empty()) continue;
      items[i].explanation = std::move(*next++);
      items[i].map = at_picture_size(items[i].explanation.map, spec.image_size);
    }
    if (together) continue;
    finish(model, items, options, report);
    items.clear();
  }
  if (together) finish(model, items, options, report);
}

}  // namespace sepia::tools
