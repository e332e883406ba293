#include "data/blend.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>
#include <system_error>

#include "data/faces_dataset.h"
#include "data/image_read.h"
#include "data/image_write.h"
#include "data/resize.h"
#include "data/self_blend.h"
#include "data/work_queue.h"
#include "engine/base/csv.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/random.h"

namespace sepia {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSplits[] = {"train", "val", "test"};

/// The pictures of the folder in the order in which they are dealt out.
std::vector<std::string> sources_of(const fs::path& folder, std::uint64_t seed) {
  std::error_code error;
  SEPIA_CHECK_KIND(fs::is_directory(folder, error), ErrorKind::kPath, folder.string(), ": ", error ? error.message() : "is not a folder", "; give a folder of real face pictures");
  std::vector<std::string> names;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (has_picture_name(entry->path()) && !entry->is_directory(error)) names.push_back(entry->path().filename().string());
  }
  SEPIA_CHECK_KIND(!error, ErrorKind::kPath, folder.string(), ": cannot read the folder: ", error.message());
  SEPIA_CHECK_KIND(!names.empty(), ErrorKind::kData, folder.string(), ": holds no picture (.jpg .jpeg .png .webp .bmp .tga .ppm .pgm .pnm)");
  std::ranges::sort(names);
  RandomStream random(seed, RandomPurpose::kBlendedData, 0);
  for (std::size_t i = names.size() - 1; i > 0; --i) std::swap(names[i], names[random.below(static_cast<std::uint32_t>(i + 1))]);
  return names;
}

std::vector<BlendedPair> plan_pairs(const std::vector<std::string>& sources, const BlendOptions& options) {
  const std::array<std::size_t, 3> counts = options.split.counts(sources.size());
  std::vector<BlendedPair> pairs;
  std::uint32_t index = 0;
  for (std::size_t s = 0; s < counts.size(); ++s) {
    for (std::size_t i = 0; i < counts[s]; ++i, ++index) {
      const std::string digits = std::to_string(index);
      const std::string name = std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits + (options.jpeg_quality > 0 ? ".jpg" : ".png");
      pairs.push_back({.split = kSplits[s], .name = name, .source = sources[index], .index = index});
    }
  }
  return pairs;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  SEPIA_CHECK_KIND(!error, ErrorKind::kPath, folder.string(), ": cannot make the folder: ", error.message());
}

/// The pictures can be made again: they are not flushed one by one to the disk, only the list that follows them is.
void write_plainly(const fs::path& path, const std::vector<std::byte>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  SEPIA_CHECK_KIND(file.good(), ErrorKind::kPath, path.string(), ": cannot write ", bytes.size(), " bytes (disk full?)");
}

void write_pair(const fs::path& real, const fs::path& out, const BlendedPair& pair, const BlendOptions& options) {
  const Image face = resize_and_crop(read_image(real / pair.source), options.image_size);
  const SelfBlend blend = self_blend(face, draw_self_blend(options.seed, pair.index, options.image_size));
  const auto encoded = [&](const Image& image) { return options.jpeg_quality > 0 ? encode_jpeg(image, {.quality = options.jpeg_quality}) : encode_png(image); };
  write_plainly(out / pair.split / "real" / pair.name, encoded(face));
  write_plainly(out / pair.split / "fake" / pair.name, encoded(blend.picture));
  if (options.keep_masks) write_plainly((out / "masks" / pair.split / pair.name).replace_extension(".png"), encode_png(blend.mask));
}

}  // namespace

std::array<std::size_t, 3> BlendSplit::counts(std::size_t sources) const {
  std::array<std::size_t, 3> result{};
  for (std::size_t s = 0; s < result.size(); ++s) {
    // A hair more than the product, so that 0.7 of 10 is 7 though 0.7 is a little less than it.
    result[s] = static_cast<std::size_t>(fractions ? std::floor(share[s] * static_cast<double>(sources) + 1e-9) : share[s]);
  }
  const std::size_t wanted = std::accumulate(result.begin(), result.end(), std::size_t{0});
  SEPIA_CHECK(wanted <= sources, "--split asks for ", wanted, " source pictures, there are ", sources);
  SEPIA_CHECK(result[0] > 0, "--split leaves no picture to train on (there are ", sources, ")");
  return result;
}

BlendSplit blend_split_from_text(const std::string& text) {
  BlendSplit split{.share = {}, .fractions = text.find('.') != std::string::npos};
  std::stringstream parts(text);
  std::size_t n = 0;
  double sum = 0;
  for (std::string part; std::getline(parts, part, ','); ++n) {
    const bool digits = !part.empty() && part.size() <= 9 && part.find_first_not_of("0123456789.") == std::string::npos && std::ranges::count(part, '.') <= 1 && part != ".";
    SEPIA_CHECK(digits && n < 3, "--split must be TRAIN,VAL,TEST, as counts (200,50,50) or fractions (0.7,0.15,0.15); got '", text, "'");
    split.share[n] = std::stod(part);
    sum += split.share[n];
  }
  SEPIA_CHECK(n == 3 && !text.ends_with(','), "--split must be TRAIN,VAL,TEST, as counts (200,50,50) or fractions (0.7,0.15,0.15); got '", text, "'");
  SEPIA_CHECK(!split.fractions || sum <= 1 + 1e-9, "--split ", text, ": the fractions are more than 1 in all");
  return split;
}

std::vector<BlendedPair> write_blended_dataset(const fs::path& real, const fs::path& out, const BlendOptions& options) {
  std::error_code error;
  SEPIA_CHECK(options.threads >= 1 && options.threads <= 256, "the number of threads must be 1 to 256, got ", options.threads);
  SEPIA_CHECK(options.jpeg_quality >= 0 && options.jpeg_quality <= 100, "JPEG quality must be 1 to 100, got ", options.jpeg_quality);
  SEPIA_CHECK(options.image_size >= 32 && options.image_size <= 4096, "the image size must be 32 to 4096, got ", options.image_size);
  SEPIA_CHECK(!fs::exists(out, error) || (fs::is_directory(out, error) && fs::is_empty(out, error)), out.string(),
              ": exists and is not an empty folder; name a new one");
  const std::vector<BlendedPair> pairs = plan_pairs(sources_of(real, options.seed), options);
  for (const BlendedPair& pair : pairs) {
    if (fs::exists(out / pair.split, error)) continue;
    make_folder(out / pair.split / "real");
    make_folder(out / pair.split / "fake");
    if (options.keep_masks) make_folder(out / "masks" / pair.split);
  }
  try {
    run_on_threads(pairs.size(), options.threads, [&](std::size_t i) { write_pair(real, out, pairs[i], options); }, options.progress);
  } catch (...) {
    // The folder was empty: all in it is ours, and the corrected command shall be able to use it.
    for (const char* made : {"train", "val", "test", "masks"}) fs::remove_all(out / made, error);
    throw;
  }
  std::string list = csv_row({"path", "label", "source", "index"});
  for (const BlendedPair& pair : pairs) {
    for (const char* label : {"real", "fake"}) list += csv_row({pair.split + "/" + label + "/" + pair.name, label, pair.source, std::to_string(pair.index)});
  }
  write_file_atomic(out / "blend.csv", list);
  return pairs;
}

}  // namespace sepia
