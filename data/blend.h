// From a folder of real face crops to a data set of real and self-blended pictures (data/self_blend.h), for those who have no fakes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace sepia {

/// How source pictures are shared out: counts, or fractions of what there is (rounded down).
struct BlendSplit {
  std::array<double, 3> share{0.7, 0.15, 0.15};  ///< train, val, test
  bool fractions = true;

  /// How many source pictures go to each split. kUsage when there are too few, or none for train.
  std::array<std::size_t, 3> counts(std::size_t sources) const;
};

/// "200,50,50": counts; "0.7,0.15,0.15" (a point in any of them): fractions. kUsage for anything else, for negative numbers, for fractions
/// above 1 in all.
BlendSplit blend_split_from_text(const std::string& text);

struct BlendOptions {
  std::uint64_t seed = 1;
  BlendSplit split{};
  int image_size = 256;     ///< sources of another size are resized (data/resize.h)
  int jpeg_quality = 95;    ///< 0: PNG
  bool keep_masks = false;  ///< also OUT/masks/SPLIT/NAME.png: how much of the inner copy there is
  int threads = 2;
  std::function<void(std::size_t done, std::size_t total)> progress = nullptr;  ///< called from several threads, one at a time
};

/// One source and where its two pictures are.
struct BlendedPair {
  std::string split, name;  ///< OUT/SPLIT/{real,fake}/NAME
  std::string source;       ///< name within the folder of real pictures
  std::uint32_t index = 0;  ///< the number that its changes are drawn with
};

/// Writes OUT/{train,val,test}/{real,fake}/NNNN.jpg and OUT/blend.csv (path, label, source, index). Each source gives a real and a fake picture,
/// both in one split and both through the same steps: decoded, resized, (blended,) encoded with the same settings. Sources are those files
/// of `real` (not its sub-folders) that are named as pictures, dealt out in an order drawn from the seed; what is left over is not used.
/// Returns the pairs in the order train, val, test.
/// kUsage when OUT is in use or an option is out of range; kPath when a folder or file cannot be read or written; kData, naming the file,
/// when a picture is bad or there is none.
std::vector<BlendedPair> write_blended_dataset(const std::filesystem::path& real, const std::filesystem::path& out, const BlendOptions& options);

}  // namespace sepia
