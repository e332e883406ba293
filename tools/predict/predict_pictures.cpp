#include "tools/predict/predict_pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <utility>

#include "data/dataset.h"
#include "data/image_read.h"
#include "data/resize.h"
#include "engine/base/csv.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/parallel_for.h"
#include "engine/base/sha256.h"
#include "engine/base/version.h"
#include "engine/train/inference.h"
#include "tools/explain/explain_pictures.h"
#include "tools/explain/map_picture.h"
#include "tools/explain/words.h"
#include "tools/report/predictions_page.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kExplainBatch = 8;  // a backward pass keeps every layer's output

bool looks_like_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* known : {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tga", ".ppm", ".pgm", ".pnm"}) {
    if (extension == known) return true;
  }
  return false;
}

template <class Iterator>
std::vector<std::string> pictures_in(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (Iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (looks_like_picture(entry->path()) && !entry->is_directory(error)) found.push_back(entry->path().string());
  }
  SEPIA_CHECK_KIND(!error, ErrorKind::kPath, folder.string(), ": ", error.message());
  std::ranges::sort(found);
  return found;
}

/// Pictures that have been decoded already, as a data set for compute_logits.
class DecodedPictures final : public Dataset {
 public:
  DecodedPictures(const std::vector<PredictedPicture>& pictures, int image_size) : image_size_(image_size) {
    for (const PredictedPicture& picture : pictures) {
      if (picture.error.empty()) usable_.push_back(&picture);
    }
  }
  std::size_t size() const override { return usable_.size(); }
  Sample at(std::size_t i) const override { return {.image = usable_[i]->image, .label = kReal}; }
  int label(std::size_t) const override { return kReal; }
  std::string path(std::size_t i) const override { return usable_[i]->path; }
  int image_size() const override { return image_size_; }

 private:
  std::vector<const PredictedPicture*> usable_;
  int image_size_;
};

PredictedPicture read_picture(const std::string& path, int image_size) {
  PredictedPicture picture;
  picture.path = path;
  try {
    const std::vector<std::byte> bytes = read_file(path, kMaxImageFileBytes);
    picture.sha256 = sha256_hex(bytes);
    picture.image = resize_and_crop(decode_image(bytes, path), image_size);
  } catch (const Error& error) {
    picture.error = error.what();
  }
  return picture;
}

/// Explains those that were judged, each for the class that it was called.
void add_maps(nn::Module& model, std::vector<PredictedPicture>& pictures, const PredictOptions& options) {
  std::vector<PictureToExplain> asked;
  for (const PredictedPicture& picture : pictures) {
    if (picture.error.empty()) asked.push_back({picture.image, picture.called_fake ? kFake : kReal});
  }
  const std::vector<explain::Explanation> explanations = explain_pictures(model, asked, *options.maps, std::min(options.batch_size, kExplainBatch));
  auto next = explanations.begin();
  for (PredictedPicture& picture : pictures) {
    if (!picture.error.empty()) continue;
    const explain::Map map = at_picture_size(next->map, picture.image.width);
    const std::vector<ColorScale> scales = color_scales({&map}, {.kind = ScaleRule::Kind::kImage}, explain::facts_of(options.maps->method));
    picture.overlay = overlaid(picture.image, map, scales.front());
    picture.explained_class = next->explained_class;
    picture.map_range = explain::extremes(map);
    picture.map_empty = explain::is_empty(next->map);
    ++next;
  }
}

}  // namespace

std::vector<std::string> pictures_under(const std::vector<std::string>& arguments, bool recursive) {
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    std::error_code error;
    const fs::file_status status = fs::status(argument, error);
    SEPIA_CHECK_KIND(fs::exists(status), ErrorKind::kPath, argument, ": ", error ? error.message() : "no such file or folder");
    if (!fs::is_directory(status)) {
      files.push_back(argument);
      continue;
    }
    const std::vector<std::string> found = recursive ? pictures_in<fs::recursive_directory_iterator>(argument) : pictures_in<fs::directory_iterator>(argument);
    SEPIA_CHECK_KIND(!found.empty(), ErrorKind::kData, argument, ": the folder holds no picture", recursive ? "" : "; add -r to look into its folders");
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

void predict_pictures(nn::Module& model, const models::ModelSpec& spec, const std::vector<std::string>& files, const PredictOptions& asked,
                      const std::function<void(const PredictedPicture&)>& report) {
  const auto at_once = static_cast<std::size_t>(asked.batch_size);
  for (std::size_t begin = 0; begin < files.size(); begin += at_once) {
    std::vector<PredictedPicture> pictures(std::min(at_once, files.size() - begin));
    parallel_for(static_cast<std::int64_t>(pictures.size()), [&](std::int64_t i) {
      const auto k = static_cast<std::size_t>(i);
      pictures[k] = read_picture(files[begin + k], static_cast<int>(spec.image_size));
    });
    const DecodedPictures usable(pictures, static_cast<int>(spec.image_size));
    const train::LogitsOptions options{.normalisation = spec.normalisation, .batch_size = asked.batch_size, .workers = 0, .samples = {}, .on_batch = {}};
    const bool detector = spec.classes == kClassCount;
    std::vector<Logits2> logits;
    std::vector<std::vector<double>> outputs;
    if (usable.size() > 0 && detector) logits = train::compute_logits(model, usable, options);
    if (usable.size() > 0 && !detector) outputs = train::compute_outputs(model, usable, options);
    auto next = logits.begin();
    auto next_outputs = outputs.begin();
    for (PredictedPicture& picture : pictures) {
      if (picture.error.empty() && !detector) {
        picture.outputs = std::move(*next_outputs++);
      } else if (picture.error.empty()) {
        picture.logits = *next++;
        const auto [prob_real, prob_fake] = softmax(picture.logits);
        picture.prob_real = prob_real;
        picture.prob_fake = prob_fake;
        picture.called_fake = is_fake(picture.logits, asked.threshold);
      }
    }
    if (asked.maps && detector) add_maps(model, pictures, asked);
    std::ranges::for_each(pictures, report);
  }
}

std::vector<ClassProbability> most_probable(const std::vector<double>& outputs, std::size_t count) {
  std::vector<ClassProbability> classes(outputs.size());
  const double largest = *std::ranges::max_element(outputs);
  double sum = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    classes[i] = {.index = i, .probability = std::exp(outputs[i] - largest)};
    sum += classes[i].probability;
  }
  for (ClassProbability& one : classes) one.probability /= sum;
  std::ranges::stable_sort(classes, std::ranges::greater(), &ClassProbability::probability);
  classes.resize(std::min(count, classes.size()));
  return classes;
}

std::initializer_list<std::string_view> prediction_files() {
  static const std::initializer_list<std::string_view> names{"predictions.csv", "predictions.jsonl", "index.html"};
  return names;
}

struct PredictionFolder::Impl {
  fs::path folder;
  std::string csv = "path,label,prob_fake,logit_real,logit_fake,sha256,error\n", lines;
  std::size_t thumbnail_bytes = 0;
  report::PredictionsPage page;
};

PredictionFolder::PredictionFolder(fs::path folder, const PredictionsAbout& about, const PredictOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->folder = std::move(folder);
  impl_->thumbnail_bytes = report::thumbnail_bytes(about.pictures, options.maps.has_value());
  report::PredictionsPage& page = impl_->page;
  page.title = impl_->folder.filename().string();
  page.model = about.model;
  if (about.toy) page.notes.push_back("The weights were trained on drawn toy faces: they say nothing about photographs.");
  page.threshold = options.threshold;
  page.threshold_words = about.threshold_words;
  if (options.maps) {
    page.map_words = fmt::format("Beside each picture: {} for the class that it was called. {} Each map has its own scale of colours. An empty map is left grey.",
                                 method_words(*options.maps), meaning_words(options.maps->method));
    const bool is_signed = explain::facts_of(options.maps->method).is_signed;
    page.map_legend = map_legend_of(ColorScale::up_to(1, is_signed), is_signed ? "against the class" : "0", is_signed ? "for the class" : "the map's largest value");
  }
  page.settings = {{"weights, SHA-256", about.weights_sha256}, {"threshold", csv_number(options.threshold)}};
  if (options.maps) page.settings.push_back({"maps", method_words(*options.maps)});
  page.commands = {report::sepia_command(about.command)};
  page.version = std::string(version());
}

PredictionFolder::~PredictionFolder() = default;

void PredictionFolder::add(const PredictedPicture& p, const std::string& json_line) {
  const bool good = p.error.empty();
  const char* label = !good ? "" : p.called_fake ? "fake" : "real";
  impl_->csv += csv_row({p.path, label, good ? csv_number(p.prob_fake) : "", good ? csv_number(p.logits[0]) : "", good ? csv_number(p.logits[1]) : "",
                         p.sha256, p.error});
  impl_->lines += json_line + '\n';
  report::Prediction row{.path = p.path, .sha256 = p.sha256, .thumbnail = {}, .label = label, .prob_fake = p.prob_fake, .verdict = {}, .error = p.error};
  row.thumbnail = report::make_thumbnail(p.image, impl_->thumbnail_bytes);
  row.map = report::make_thumbnail(p.overlay, impl_->thumbnail_bytes);
  if (p.overlay.width > 0) row.map_words = fmt::format("map for {}{}", class_name(p.explained_class), p.map_empty ? ": empty" : "");
  impl_->page.predictions.push_back(std::move(row));
}

void PredictionFolder::finish() {
  write_file_atomic(impl_->folder / "predictions.csv", impl_->csv);
  write_file_atomic(impl_->folder / "predictions.jsonl", impl_->lines);
  write_file_atomic(impl_->folder / "index.html", report::predictions_page(impl_->page));
}

}  // namespace sepia::tools
