#include "engine/train/pictures.h"

#include <algorithm>

#include "data/self_blended_dataset.h"
#include "engine/base/error.h"
#include "engine/base/csv.h"

namespace sepia::train {
namespace {

// Decoded pictures kept between epochs, for each split. Larger data sets are decoded again: memory does not grow with the data.
constexpr std::uint64_t kCacheBytes = std::uint64_t{512} << 20;

void refuse_bad_pictures(const std::vector<SplitPictures>& splits) {
  std::string list;
  std::size_t bad = 0;
  ErrorKind kind = ErrorKind::kData;
  for (const SplitPictures& split : splits) {
    for (const FileRecord& record : split.records) {
      if (record.error.empty()) continue;
      if (bad == 0) kind = record.error_kind;
      list += (bad++ ? "; " : "") + record.error;
    }
  }
  if (bad > 0) fail(kind, bad, bad == 1 ? " picture cannot" : " pictures cannot", " be used (--bad-images skip trains without): ", list);
}

}  // namespace

std::size_t SplitPictures::count(int label) const {
  return static_cast<std::size_t>(std::ranges::count_if(usable, [&](std::size_t i) { return dataset->label(i) == label; }));
}

double SplitPictures::majority_share() const {
  const std::size_t fakes = count(kFake), all = usable.size();
  return all == 0 ? 0 : static_cast<double>(std::max(fakes, all - fakes)) / static_cast<double>(all);
}

const SplitPictures* RunPictures::find(const std::string& split) const {
  const auto found = std::ranges::find(splits, split, &SplitPictures::split);
  return found == splits.end() ? nullptr : &*found;
}

RunPictures check_pictures(const TrainConfig& config, const std::function<void(const std::string&, std::size_t, std::size_t)>& progress) {
  RunPictures pictures;
  for (const std::string name : {"train", "val", "test"}) {
    if (name != "train" && !has_split(config.data, name)) continue;
    const bool made = name == "train" && config.fakes == "blend";
    FacesDatasetOptions options{.image_size = static_cast<int>(config.image_size), .real_folder = config.real_folder, .fake_folder = config.fake_folder};
    using Classes = FacesDatasetOptions::Classes;
    options.classes = made ? Classes::kOnlyReal : name == "train" ? Classes::kBoth : Classes::kAny;
    options.cache_bytes = kCacheBytes;
    SplitPictures split{.split = name, .dataset = nullptr, .records = {}, .usable = {}, .fingerprint = {}};
    auto files = std::make_unique<FacesDataset>(config.data, name, options);
    const std::size_t total = files->size();
    split.records = scan_files(*files, {.workers = std::max(config.workers, 1)}, [&](std::size_t done) {
      if (progress) progress(name, done, total);
    });
    split.usable = usable_samples(split.records);
    split.fingerprint = fingerprint(split.records);
    split.dataset = std::move(files);
    if (made) {
      split.dataset = std::make_unique<SelfBlendedDataset>(std::move(split.dataset));
      const std::vector<std::size_t> real = split.usable;
      for (const std::size_t i : real) split.usable.push_back(total + i);
    }
    pictures.splits.push_back(std::move(split));
  }
  if (config.bad_images == BadImages::kFail) refuse_bad_pictures(pictures.splits);
  for (const int label : {kReal, kFake}) {
    SEPIA_CHECK_KIND(pictures.train().count(label) > 0, ErrorKind::kData, config.data, "/train: no usable picture of class ", class_name(label),
                     "; both classes are needed to train");
  }
  return pictures;
}

std::string manifest_csv(const RunPictures& pictures) {
  std::string csv = "path,label,sha256\n";
  for (const SplitPictures& split : pictures.splits) {
    for (const std::size_t i : split.usable) {
      if (i >= split.records.size()) break;  // made of those before: no file
      csv += csv_field(split.dataset->path(i)) + ',' + class_name(split.dataset->label(i)) + ',' + split.records[i].sha256 + '\n';
    }
  }
  return csv;
}

}  // namespace sepia::train
