#include "tools/explain/run_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/image_read.h"
#include "data/resize.h"
#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "tools/explain/figures.h"
#include "tools/explain/words.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

namespace fs = std::filesystem;

constexpr double kMeanCell = 168;

/// Some of a run's evaluated pictures as the network sees them; a place is one of the run's predictions. Read once, kept in memory: there are few.
class KeptPictures final : public Dataset {
 public:
  KeptPictures(const report::LoadedRun& run, const std::set<std::size_t>& places, int image_size) : run_(run), image_size_(image_size) {
    const std::vector<std::size_t> wanted(places.begin(), places.end());
    std::vector<Image> images(wanted.size());
    std::vector<std::string> errors(wanted.size());
    parallel_for(static_cast<std::int64_t>(wanted.size()), [&](std::int64_t i) {
      const auto k = static_cast<std::size_t>(i);
      try {
        images[k] = resize_and_crop(read_image(run.data() / run.predictions.paths[wanted[k]]), image_size);
      } catch (const Error& error) {
        errors[k] = error.what();
      }
    });
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      if (!errors[k].empty()) {
        if (first_error_.empty()) first_error_ = errors[k];
        continue;
      }
      places_.push_back(wanted[k]);
      images_.push_back(std::move(images[k]));
    }
  }

  std::size_t size() const override { return places_.size(); }
  Sample at(std::size_t i) const override { return {.image = images_[i], .label = label(i)}; }
  int label(std::size_t i) const override { return run_.predictions.labels[places_[i]]; }
  std::string path(std::size_t i) const override { return run_.predictions.paths[places_[i]]; }
  int image_size() const override { return image_size_; }

  const Image& image(std::size_t i) const { return images_[i]; }
  std::size_t place(std::size_t i) const { return places_[i]; }
  const std::string& first_error() const { return first_error_; }

 private:
  const report::LoadedRun& run_;
  int image_size_;
  std::vector<std::size_t> places_;
  std::vector<Image> images_;
  std::string first_error_;
};

/// The list of the run's predictions, nothing of which is read: what samples are chosen from.
class PredictionList final : public Dataset {
 public:
  PredictionList(const report::LoadedRun& run, int image_size) : run_(run), image_size_(image_size) {}
  std::size_t size() const override { return run_.predictions.paths.size(); }
  Sample at(std::size_t i) const override { return {.image = resize_and_crop(read_image(run_.data() / path(i)), image_size_), .label = label(i)}; }
  int label(std::size_t i) const override { return run_.predictions.labels[i]; }
  std::string path(std::size_t i) const override { return run_.predictions.paths[i]; }
  int image_size() const override { return image_size_; }

 private:
  const report::LoadedRun& run_;
  int image_size_;
};

/// `per_class` of each class, chosen by the seed.
std::set<std::size_t> chosen_of_each(const Dataset& list, std::size_t per_class, std::uint64_t seed) {
  std::set<std::size_t> chosen;
  for (const int label : {kReal, kFake}) {
    for (const std::size_t place : chosen_samples(list, per_class, seed, label)) chosen.insert(place);
  }
  return chosen;
}

KeptPictures kept(const report::LoadedRun& run, const std::set<std::size_t>& places, int image_size) {
  KeptPictures pictures(run, places, image_size);
  SEPIA_CHECK_KIND(places.empty() || pictures.size() > 0, ErrorKind::kPath, pictures.first_error());
  return pictures;
}

struct Mapped {
  std::vector<explain::Explanation> explanations;
  std::vector<explain::Map> maps;  ///< at the size of the pictures
  std::vector<ColorScale> scales;
};

Mapped mapped(nn::Module& model, const KeptPictures& pictures, const explain::ExplainOptions& options, ClassRule rule, ScaleRule::Kind scale, int batch_size) {
  Mapped result;
  std::vector<PictureToExplain> asked;
  for (std::size_t i = 0; i < pictures.size(); ++i) asked.push_back({pictures.image(i), class_to_explain(rule, pictures.label(i))});
  result.explanations = explain_pictures(model, asked, options, batch_size);
  std::vector<const explain::Map*> pointers;
  for (const explain::Explanation& explanation : result.explanations) result.maps.push_back(at_picture_size(explanation.map, pictures.image_size()));
  for (const explain::Map& map : result.maps) pointers.push_back(&map);
  result.scales = color_scales(pointers, {.kind = scale}, explain::facts_of(options.method));
  return result;
}

std::string empty_words(const explain::Explanation& explanation) { return explain::is_empty(explanation.map) ? ": empty" : ""; }

}  // namespace

report::RunMaps maps_of_run(nn::Module& model, const models::ModelSpec& spec, const report::LoadedRun& run, std::span<const std::size_t> overlays,
                            const RunMapsOptions& options) {
  const int image_size = static_cast<int>(spec.image_size);
  const PredictionList list(run, image_size);
  const explain::ExplainOptions cam{.method = explain::Method::kGradCam, .layer = spec.explained_layer, .normalisation = spec.normalisation};
  const explain::ExplainOptions saliency{.method = explain::Method::kSaliency, .normalisation = spec.normalisation};
  report::RunMaps page;

  // The class that a picture was called: what speaks for it is why a hit is sure and a mistake was made.
  const KeptPictures shown = kept(run, {overlays.begin(), overlays.end()}, image_size);
  const Mapped over = mapped(model, shown, cam, ClassRule::kPredicted, ScaleRule::Kind::kImage, options.batch_size);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    page.overlays[shown.place(i)] = {.picture = overlaid(shown.image(i), over.maps[i], over.scales[i]),
                                     .words = fmt::format("map for {}{}", class_name(over.explanations[i].explained_class), empty_words(over.explanations[i]))};
  }
  if (shown.size() > 0) {
    page.overlay_words = fmt::format("Below each picture: {} for the class that the picture was called. {} Each map has its own scale of colours. "
                                     "An empty map is left grey: nothing at that layer speaks for the class.", method_words(cam), meaning_words(cam.method));
    page.overlay_legend = map_legend_of(over.scales.front(), "0", "the map's largest value");
  }

  const KeptPictures samples = kept(run, chosen_of_each(list, options.samples_per_class, options.seed), image_size);
  const Mapped beside = mapped(model, samples, saliency, ClassRule::kTrue, ScaleRule::Kind::kShared, options.batch_size);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Image& picture = samples.image(i);
    const bool empty = explain::is_empty(beside.maps[i]);
    page.samples.push_back({.picture = picture, .map = empty ? blank(picture.width, picture.height) : painted(beside.maps[i], beside.scales[i]), .path = samples.path(i),
                            .label = samples.label(i), .words = fmt::format("map for {}{}", class_name(beside.explanations[i].explained_class), empty_words(beside.explanations[i]))});
  }
  if (samples.size() == 0) return page;
  const ColorScale& shared = beside.scales.front();
  page.sample_words = fmt::format("{} pictures of {} by the seed {}, each beside its map for its true class. {} One scale of colours for all.", samples.size(), run.predictions.split,
                                  options.seed, meaning_words(saliency.method));
  page.sample_legend = map_legend_of(shared, report::number_text(shared.low, 3), (shared.saturates ? "\u2265 " : "") + report::number_text(shared.high, 3));

  const KeptPictures under_means = kept(run, chosen_of_each(list, options.mean_per_class, options.seed), image_size);
  FigureOptions figure{.explain = saliency, .seed = options.seed, .batch_size = options.batch_size, .mean_cell = kMeanCell, .notes_below = false};
  DrawnFigure means = draw_means({model, spec, under_means}, figure);
  page.means = std::move(means.figure);
  page.mean_words = std::move(means.notes);
  const auto command = [&](const char* drawn, const char* method, const char* out) {
    const std::vector<std::string> words{"sepia", "explain", "-m", run.folder.string(), "--data", run.data().string(), "--split", run.predictions.split, "--figure", drawn, "--method", method, "--out", out};
    return report::shell_command(words);
  };
  page.commands = {command("grid36", "saliency", "grid"), command("means", "saliency", "means"), command("overlays", "gradcam", "overlays")};
  return page;
}

}  // namespace sepia::tools
