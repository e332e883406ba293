// One whole training step and one forward pass of a network on made-up pictures:
//     build/step_bench edgenet [--batch 32] [--threads N] [--reps 7] [--image-size 256] [--device cpu|cuda] [--precision fp32|bf16]
// prints one JSON line: {"model","batch","precision","device","threads","train_step_s","infer_s","peak_rss_mib"}, medians in seconds.
// The step is the trainer's own (engine/train/stepper.h): pictures as bytes in, weights updated by Adam, the loss read by the host.
// The first steps, in which memory is planned and a CUDA device records the step, are not counted. The result is checked before it counts: the loss must be finite and near ln 2.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "engine/train/stepper.h"
#include "models/model.h"

namespace sepia {
namespace {

struct Settings {
  std::string model = "edgenet";
  int batch = 32, threads = 0, reps = 7, image_size = 256;
  Device device = kCpuDevice;
  DType dtype = DType::kF32;
};

Device device_named(const std::string& name) {
  SEPIA_CHECK(name == "cpu" || name == "cuda", "step_bench: --device is cpu or cuda, not '", name, "'");
  const Device device = name == "cpu" ? kCpuDevice : Device{DeviceKind::kCuda, 0};
  backend_of(device);  // says what is missing
  return device;
}

DType precision_named(const std::string& name) {
  SEPIA_CHECK(name == "fp32" || name == "bf16", "step_bench: --precision is fp32 or bf16, not '", name, "'");
  return name == "bf16" ? DType::kBF16 : DType::kF32;
}

Settings settings_from(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const auto word = [&] { return i + 1 < argc ? argv[++i] : ""; };
    const auto value = [&] { return std::atoi(word()); };
    if (!std::strcmp(argv[i], "--batch")) s.batch = value();
    else if (!std::strcmp(argv[i], "--threads")) s.threads = value();
    else if (!std::strcmp(argv[i], "--reps")) s.reps = value();
    else if (!std::strcmp(argv[i], "--image-size")) s.image_size = value();
    else if (!std::strcmp(argv[i], "--device")) s.device = device_named(word());
    else if (!std::strcmp(argv[i], "--precision")) s.dtype = precision_named(word());
    else s.model = argv[i];
  }
  SEPIA_CHECK(s.batch > 0 && s.threads >= 0 && s.reps > 0 && s.image_size > 0, "step_bench: sizes must be positive");
  return s;
}

/// Pictures of noise in memory.
class NoisePictures final : public Dataset {
 public:
  NoisePictures(int count, int side) : side_(side) {
    RandomStream random(1, RandomPurpose::kTest);
    for (int i = 0; i < count; ++i) {
      Image image(side, side);
      for (std::uint8_t& value : image.rgb) value = static_cast<std::uint8_t>(random.below(256));
      images_.push_back(std::move(image));
    }
  }
  std::size_t size() const override { return images_.size(); }
  Sample at(std::size_t i) const override { return {images_[i], label(i)}; }
  int label(std::size_t i) const override { return static_cast<int>(i % 2); }
  std::string path(std::size_t i) const override { return std::to_string(i); }
  int image_size() const override { return side_; }

 private:
  int side_;
  std::vector<Image> images_;
};

double median_seconds(int reps, const std::function<void()>& work) {
  constexpr int kFirst = 5;
  std::vector<double> seconds;
  for (int i = 0; i < reps + kFirst; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    if (i >= kFirst) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::nth_element(seconds, seconds.begin() + seconds.size() / 2);
  return seconds[seconds.size() / 2];
}

int run(const Settings& s) {
  set_num_threads(s.threads);
  models::ModelSpec spec = models::default_spec(s.model);
  spec.image_size = s.image_size;
  spec.classes = 2;
  const NoisePictures pictures(s.batch, s.image_size);
  Loader loader(pictures, {.batch_size = s.batch, .workers = 0});
  Batch batch;
  loader.next(batch);

  const auto inference = models::make_model(spec);
  inference->place(s.device, s.dtype, 0);
  const train::LogitsOptions logits_options{.normalisation = spec.normalisation, .batch_size = s.batch, .workers = 0};
  const double infer = median_seconds(s.reps, [&] { train::compute_logits(*inference, pictures, logits_options); });

  const auto model = models::make_model(spec);
  model->place(s.device, s.dtype, 0);
  train::Stepper stepper(*model, {.normalisation = spec.normalisation});
  double first_loss = -1;
  const double step = median_seconds(s.reps, [&] {
    const double loss = stepper.step(batch, 1e-3).loss;
    if (first_loss < 0) first_loss = loss;
  });
  SEPIA_CHECK_KIND(first_loss > 0.5 && first_loss < 1.0, ErrorKind::kNumeric, "step_bench: the first loss is ", first_loss, ", not near ln 2");

  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("{\"model\":\"%s\",\"batch\":%d,\"precision\":\"%s\",\"device\":\"%s\",\"threads\":%d,\"train_step_s\":%.6f,\"infer_s\":%.6f,\"peak_rss_mib\":%ld}\n",
              s.model.c_str(), s.batch, s.dtype == DType::kBF16 ? "bf16" : "fp32", device_name(s.device).c_str(), num_threads(), step, infer, usage.ru_maxrss / 1024);
  return 0;
}

}  // namespace
}  // namespace sepia

int main(int argc, char** argv) {
  try {
    return sepia::run(sepia::settings_from(argc, argv));
  } catch (const sepia::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.exit_code();
  }
}
