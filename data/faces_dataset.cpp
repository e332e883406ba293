#include "data/faces_dataset.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <system_error>
#include <utility>

#include "data/image_read.h"
#include "data/resize.h"
#include "engine/base/error.h"

namespace sepia {

namespace fs = std::filesystem;

namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// The names in a folder, sorted by bytes. `shown` names the folder in messages.
std::vector<std::string> list_folder(const fs::path& folder, const std::string& shown) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) fail(ErrorKind::kPath, shown, ": cannot read the folder: ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::string quoted_list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 6;
  if (names.empty()) return "no folders";
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i > 0 ? ",'" : "'") + names[i] + "'";
  return names.size() > kShown ? text + str(" and ", names.size() - kShown, " more") : text;
}

/// Fails with what the split's folder holds, and with the option that would make it fit where there is one.
[[noreturn]] void fail_class_folders(const fs::path& folder, const std::vector<std::string>& folders, const FacesDatasetOptions& options) {
  const auto alike = [&](const std::string& wanted) -> std::string {
    for (const auto& name : folders) {
      if (lower_case(name) == lower_case(wanted)) return name;
    }
    return "";
  };
  const std::string real = alike(options.real_folder), fake = alike(options.fake_folder);
  std::string advice = ". Put the pictures into DATA/{train,val,test}/{real,fake}/, or name the folders with --class-map real=...,fake=...";
  if (!real.empty() && !fake.empty()) advice = ". Try --class-map real=" + real + ",fake=" + fake;
  fail(ErrorKind::kData, folder.string(), " has ", quoted_list(folders), "; expected ", options.real_folder, "/ and ", options.fake_folder,
       "/", advice);
}

}  // namespace

/// Decoded pictures, filled by whichever thread comes first.
class FacesDataset::Cache {
 public:
  Cache(std::size_t count, std::uint64_t budget) : images_(count), budget_(budget) {}
  ~Cache() {
    for (auto& image : images_) delete image.load(std::memory_order_relaxed);
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  const Image* find(std::size_t i) const { return images_[i].load(std::memory_order_acquire); }

  void offer(std::size_t i, const Image& image) {
    const std::uint64_t bytes = image.rgb.size();
    if (used_.fetch_add(bytes) + bytes > budget_) {
      used_.fetch_sub(bytes);
      return;
    }
    auto copy = std::make_unique<const Image>(image);
    const Image* expected = nullptr;
    if (images_[i].compare_exchange_strong(expected, copy.get(), std::memory_order_acq_rel)) {
      copy.release();
    } else {
      used_.fetch_sub(bytes);
    }
  }

 private:
  std::vector<std::atomic<const Image*>> images_;
  std::uint64_t budget_;
  std::atomic<std::uint64_t> used_{0};
};

FacesDataset::FacesDataset(const fs::path& root, const std::string& split, const FacesDatasetOptions& options)
    : root_(root), split_(split), options_(options) {
  SEPIA_CHECK(options.image_size >= 1 && options.image_size <= 4096, "the image size must be 1 to 4096, got ", options.image_size);
  const fs::path folder = root / split;
  if (!has_split(root, split)) {
    fail(ErrorKind::kPath, folder.string(), ": there is no such folder; a data set is DATA/{train,val,test}/{real,fake}/*");
  }
  std::vector<std::string> folders;
  for (const auto& name : list_folder(folder, folder.string())) {
    if (is_folder(folder / name)) folders.push_back(name);
  }
  const auto present = [&](const std::string& name) { return std::find(folders.begin(), folders.end(), name) != folders.end(); };
  using Classes = FacesDatasetOptions::Classes;
  const bool wants_fake = options.classes != Classes::kOnlyReal;
  const bool real = present(options.real_folder), fake = wants_fake && present(options.fake_folder);
  const bool needs_real = options.classes != Classes::kAny, needs_fake = options.classes == Classes::kBoth;
  if ((needs_real && !real) || (needs_fake && !fake) || (!real && !fake)) fail_class_folders(folder, folders, options);
  // With one class folder present, the other under another spelling is a mistake even where one class would do.
  for (const auto& name : folders) {
    if ((!real && lower_case(name) == lower_case(options.real_folder)) || (wants_fake && !fake && lower_case(name) == lower_case(options.fake_folder))) {
      fail_class_folders(folder, folders, options);
    }
  }
  if (real) list_class(options.real_folder, kReal);
  if (fake) list_class(options.fake_folder, kFake);
  for (const int label : {kReal, kFake}) {
    const std::string& name = label == kReal ? options.real_folder : options.fake_folder;
    const bool needed = label == kReal ? needs_real : needs_fake;
    SEPIA_CHECK_KIND(!needed || count(label) > 0, ErrorKind::kData, (folder / name).string(),
                     " has no pictures; both classes are needed (.jpg .jpeg .png .webp .bmp .tga .ppm .pgm .pnm)");
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
  std::sort(ignored_.begin(), ignored_.end());
  if (options.cache_bytes > 0) cache_ = std::make_unique<Cache>(entries_.size(), options.cache_bytes);
}

FacesDataset::~FacesDataset() = default;
FacesDataset::FacesDataset(FacesDataset&&) noexcept = default;
FacesDataset& FacesDataset::operator=(FacesDataset&&) noexcept = default;

void FacesDataset::list_class(const std::string& folder, int label) {
  const std::string relative = split_ + "/" + folder;
  for (const auto& name : list_folder(root_ / relative, (root_ / relative).string())) {
    const std::string path = relative + "/" + name;
    if (!has_picture_name(name) || is_folder(root_ / path)) {
      ignored_.push_back(path);
    } else {
      entries_.push_back({path, label});
    }
  }
}

Sample FacesDataset::at(std::size_t i) const {
  const Entry& entry = entries_.at(i);
  if (cache_) {
    if (const Image* image = cache_->find(i)) return {*image, entry.label};
  }
  Image image = resize_and_crop(read_image(full_path(i)), options_.image_size);
  if (cache_) cache_->offer(i, image);
  return {std::move(image), entry.label};
}

int FacesDataset::show(std::size_t i, const AugmentKey& key, const std::function<void(const Image&)>& use) const {
  const Image* image = cache_ ? cache_->find(i) : nullptr;
  if (image == nullptr) return Dataset::show(i, key, use);
  use(*image);
  return label(i);
}

void FacesDataset::offer_to_cache(std::size_t i, const Image& decoded) const {
  if (cache_ && cache_->find(i) == nullptr) cache_->offer(i, resize_and_crop(decoded, options_.image_size));
}

std::size_t FacesDataset::count(int label) const {
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.label == label; }));
}

bool has_picture_name(const fs::path& path) {
  static constexpr std::array kExtensions = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tga", ".ppm", ".pgm", ".pnm"};
  const std::string extension = lower_case(path.extension().string());
  return !path.filename().string().starts_with('.') && std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

bool has_split(const fs::path& root, const std::string& split) {
  std::error_code error;
  SEPIA_CHECK_KIND(fs::is_directory(root, error), ErrorKind::kPath, root.string(), ": ", error ? error.message() : "is not a folder",
                   "; a data set is DATA/{train,val,test}/{real,fake}/*");
  const bool found = fs::is_directory(root / split, error);
  const bool absent = !error || error == std::errc::no_such_file_or_directory;
  SEPIA_CHECK_KIND(absent, ErrorKind::kPath, (root / split).string(), ": ", error.message());
  return found;
}

}  // namespace sepia
