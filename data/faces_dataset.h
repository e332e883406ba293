// DATA/{train,val,test}/{real,fake}/*: one split of a data set on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace sepia {

struct FacesDatasetOptions {
  int image_size = 256;
  std::string real_folder = "real";  ///< --class-map real=...
  std::string fake_folder = "fake";  ///< --class-map fake=...
  /// Which classes a split must hold.
  enum class Classes {
    kBoth,      ///< training needs them
    kAny,       ///< a test split may hold one
    kOnlyReal,  ///< the fake folder is left unread, there or not
  } classes = Classes::kBoth;
  /// Decoded and resized pictures are kept up to this many bytes, so that later epochs need not decode again.
  std::uint64_t cache_bytes = 0;
};

/// The pictures of one split, real = 0 and fake = 1, in the order of their paths' bytes (so "fake" before "real"), which is the
/// same on every machine. Files are listed when it is made and read when asked for.
class FacesDataset final : public Dataset {
 public:
  /// Lists ROOT/SPLIT/{real,fake}. Hidden files and files whose names end in something else than .jpg .jpeg .png .webp .bmp
  /// .tga .ppm .pgm .pnm (in any case) are not pictures: see ignored(). Sub-folders are not entered.
  /// kPath when ROOT or the split is missing or a folder cannot be read; kData when class folders are missing, spelled
  /// otherwise, or empty.
  FacesDataset(const std::filesystem::path& root, const std::string& split, const FacesDatasetOptions& options = {});
  ~FacesDataset() override;
  FacesDataset(FacesDataset&&) noexcept;
  FacesDataset& operator=(FacesDataset&&) noexcept;

  std::size_t size() const override { return entries_.size(); }
  /// Reads, turns upright and resizes picture i (resize_and_crop). kData or kPath when it cannot be read.
  Sample at(std::size_t i) const override;
  int show(std::size_t i, const AugmentKey& key, const std::function<void(const Image&)>& use) const override;
  int label(std::size_t i) const override { return entries_.at(i).label; }
  /// "train/fake/0001.jpg".
  std::string path(std::size_t i) const override { return entries_.at(i).path; }
  int image_size() const override { return options_.image_size; }

  /// Gives the decoded picture i to the cache, if there is one with room: for those who have decoded it anyway.
  void offer_to_cache(std::size_t i, const Image& decoded) const;

  const std::filesystem::path& root() const { return root_; }
  const std::string& split() const { return split_; }
  std::filesystem::path full_path(std::size_t i) const { return root_ / entries_.at(i).path; }
  /// Number of pictures with this label.
  std::size_t count(int label) const;
  /// Paths (relative to ROOT) in the class folders that were not taken for pictures, sorted.
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  struct Entry {
    std::string path;
    int label;
  };
  class Cache;

  void list_class(const std::string& folder, int label);

  std::filesystem::path root_;
  std::string split_;
  FacesDatasetOptions options_;
  std::vector<Entry> entries_;
  std::vector<std::string> ignored_;
  std::unique_ptr<Cache> cache_;
};

/// Whether a file is named as a picture: not hidden, ending in .jpg .jpeg .png .webp .bmp .tga .ppm .pgm .pnm, in any case.
bool has_picture_name(const std::filesystem::path& path);

/// Whether ROOT/SPLIT is there. kPath when ROOT itself is missing or cannot be searched.
bool has_split(const std::filesystem::path& root, const std::string& split);

}  // namespace sepia
