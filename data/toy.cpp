#include "data/toy.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/image_write.h"
#include "data/sampling.h"
#include "data/toy_face.h"
#include "data/toy_looks.h"
#include "data/work_queue.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/random.h"

namespace sepia {

namespace fs = std::filesystem;

namespace {

using detail::between;

/// The mean over 3 x 3 pixels, border pixels repeated.
Image smoothed(const Image& image) {
  Image out(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      int sums[3] = {4, 4, 4};
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
          const std::uint8_t* p = image.pixel(std::clamp(x + dx, 0, image.width - 1), std::clamp(y + dy, 0, image.height - 1));
          for (int c = 0; c < 3; ++c) sums[c] += p[c];
        }
      }
      for (int c = 0; c < 3; ++c) out.pixel(x, y)[c] = static_cast<std::uint8_t>(sums[c] / 9);
    }
  }
  return out;
}

/// How the inner face is changed before it is put back.
struct Forgery {
  int scale;             ///< in 1/1024
  int shift_x, shift_y;  ///< in 1/256 pixel
  int tint[3];           ///< added to each channel
  int detail;            ///< -256 smoothest .. 0 as it was
  int checker;           ///< amplitude of the chequered pattern that up-sampling networks leave
  detail::Ellipse mask;
};

/// The amplitude of the chequered pattern is what makes the task learnable: with 6 to 9 of 256, edgenet passes a test AUC of 0.95
/// in ten epochs of 192 pictures; with 3 to 5, where smoothing and pattern cancel in the whole picture's detail, it needs 512.
Forgery draw_forgery(RandomStream& random) {
  const auto away_from_zero = [&](int low, int high) {
    const int size = between(random, low, high);  // before the sign: operands have no order of their own
    return random.below(2) == 0 ? -size : size;
  };
  Forgery f{};
  f.scale = 1024 + away_from_zero(24, 72);
  f.shift_x = between(random, -640, 640);
  f.shift_y = between(random, -640, 640);
  const int brightness = away_from_zero(6, 16);
  for (int& t : f.tint) t = brightness + between(random, -9, 9);
  f.detail = -between(random, 224, 256);
  f.checker = between(random, 6, 9);
  f.mask = {between(random, -40, 40), between(random, 12 * 16, 18 * 16), between(random, 45, 52) * 16, between(random, 50, 60) * 16,
            between(random, 10, 18) * 16};
  return f;
}

void swap_inner_face(detail::ToyFace& face, RandomStream& random) {
  const Forgery forgery = draw_forgery(random);
  const Image source = face.image, smooth = smoothed(smoothed(source));
  const detail::Canvas canvas(face.image, face.place);
  for (int y = 0; y < face.image.height; ++y) {
    for (int x = 0; x < face.image.width; ++x) {
      const int alpha = forgery.mask.coverage(canvas.at(x, y));
      if (alpha == 0) continue;
      const int from_x = (face.place.x * 16 + (x * 256 - face.place.x * 16) * 1024 / forgery.scale) + forgery.shift_x;
      const int from_y = (face.place.y * 16 + (y * 256 - face.place.y * 16) * 1024 / forgery.scale) + forgery.shift_y;
      std::uint8_t* out = face.image.pixel(x, y);
      for (int c = 0; c < 3; ++c) {
        const int plain = detail::sample_between(source, from_x, from_y, c), soft = detail::sample_between(smooth, from_x, from_y, c);
        const int checker = (x + y) % 2 == 0 ? forgery.checker : -forgery.checker;
        const int changed = plain + (plain - soft) * forgery.detail / 256 + forgery.tint[c] + checker;
        out[c] = static_cast<std::uint8_t>(std::clamp((out[c] * (256 - alpha) + changed * alpha + 128) / 256, 0, 255));
      }
    }
  }
}

/// Number of a split in the random streams.
std::uint32_t split_number(const std::string& split) {
  if (split == "train") return 0;
  if (split == "val") return 1;
  if (split == "test") return 2;
  fail(ErrorKind::kUsage, "a split is train, val or test, got '", split, "'");
}

struct Job {
  const char* split;
  int label;
  std::uint32_t index;
};

/// Toy pictures are made anew in seconds: they are not flushed one by one to the disk, only the marker that follows them is.
void write_plainly(const fs::path& path, const std::vector<std::byte>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  SEPIA_CHECK_KIND(file.good(), ErrorKind::kPath, path.string(), ": cannot write ", bytes.size(), " bytes (disk full?)");
}

void draw_job(const fs::path& out, const Job& job, const ToyOptions& options) {
  const std::string digits = std::to_string(job.index);
  const std::string name = std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits + ".png";
  write_plainly(out / job.split / class_name(job.label) / name, encode_png(toy_picture(options.seed, job.split, job.label, job.index)));
}

constexpr const char* kMarker = "toy.json";

}  // namespace

Image toy_picture(std::uint64_t seed, const std::string& split, int label, std::uint32_t index) {
  RandomStream random(seed, RandomPurpose::kToyData, split_number(split) * kClassCount + static_cast<std::uint32_t>(label), index);
  detail::ToyFace face = detail::draw_toy_face(random);
  if (label == kFake) swap_inner_face(face, random);
  return std::move(face.image);
}

void write_toy_dataset(const fs::path& out, const ToyOptions& options) {
  std::error_code error;
  SEPIA_CHECK(!fs::exists(out, error) || (fs::is_directory(out, error) && fs::is_empty(out, error)), out.string(),
              ": exists and is not an empty folder; name a new one");
  SEPIA_CHECK(options.threads >= 1 && options.threads <= 256, "the number of threads must be 1 to 256, got ", options.threads);
  const std::pair<const char*, std::size_t> splits[] = {
      {"train", options.train_per_class}, {"val", options.val_per_class}, {"test", options.test_per_class}};
  std::vector<Job> jobs;
  for (const auto& [split, count] : splits) {
    SEPIA_CHECK(count <= 100'000, "a toy split has at most 100000 pictures a class, got ", count);
    for (const int label : {kReal, kFake}) {
      if (count == 0) continue;
      const fs::path folder = out / split / class_name(label);
      fs::create_directories(folder, error);
      SEPIA_CHECK_KIND(!error, ErrorKind::kPath, folder.string(), ": cannot make the folder: ", error.message());
      for (std::uint32_t i = 0; i < count; ++i) jobs.push_back({split, label, i});
    }
  }
  SEPIA_CHECK(!jobs.empty(), "a toy data set needs at least one picture");
  run_on_threads(jobs.size(), options.threads, [&](std::size_t i) { draw_job(out, jobs[i], options); }, options.progress);
  const nlohmann::ordered_json marker = {
      {"toy", true},
      {"what", "drawn faces; fake ones carry a blended inner face"},
      {"seed", options.seed},
      {"per_class", {{"train", options.train_per_class}, {"val", options.val_per_class}, {"test", options.test_per_class}}}};
  write_file_atomic(out / kMarker, marker.dump(2) + "\n");
}

bool is_toy_dataset(const fs::path& root) {
  std::error_code error;
  return fs::is_regular_file(root / kMarker, error);
}

}  // namespace sepia
