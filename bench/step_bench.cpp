// One whole training step and one forward pass of a network on made-up pictures:
//     build/step_bench edgenet [--batch 32] [--threads N] [--reps 7] [--image-size 256] [--device cpu|cuda] [--precision fp32|bf16]
// prints one JSON line: {"model","batch","precision","device","threads","train_step_s","infer_s","peak_rss_mib"}, medians in seconds.
// The step is the trainer's own (engine/train/stepper.h): pictures as bytes in, weights updated by Adam, the loss read by the host.
// The first steps, in which memory is planned and a CUDA device records the step, are not counted. The result is checked before it counts: the
// first loss must be near ln 2.
// With --serve it says {"ready":true}, then answers each line of stdin, "train REPS" or "infer BATCH REPS", with {"seconds":[...]}, so that one
// process, warm, can take turns with others (bench/peers/compare.py).
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "engine/tensor/held_weights.h"
#include "engine/train/inference.h"
#include "engine/train/stepper.h"
#include "models/model.h"

namespace sepia {
namespace {

struct Settings {
  std::string model = "edgenet";
  int batch = 32, threads = 0, reps = 7, image_size = 256;
  bool serve = false;
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
    else if (!std::strcmp(argv[i], "--serve")) s.serve = true;
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

using Seconds = std::vector<double>;

double median(Seconds seconds) {
  std::ranges::nth_element(seconds, seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2));
  return seconds[seconds.size() / 2];
}

/// Some work that is timed again and again. Memory is planned in the first run, and a CUDA device records a step in the third.
class Timed {
 public:
  virtual ~Timed() = default;
  Seconds time(int reps, Device device) {
    const int first = runs_ == 0 ? (device.kind == DeviceKind::kCuda ? 5 : 2) : (last_ < 1 ? 1 : 0);
    Seconds seconds;
    for (int i = 0; i < reps + first; ++i, ++runs_) {
      const auto start = std::chrono::steady_clock::now();
      run();
      last_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (i >= first) seconds.push_back(last_);
    }
    return seconds;
  }

 private:
  virtual void run() = 0;
  int runs_ = 0;
  double last_ = 0;
};

models::ModelSpec spec_of(const Settings& s) {
  models::ModelSpec spec = models::default_spec(s.model);
  spec.image_size = s.image_size;
  spec.classes = 2;
  return spec;
}

std::unique_ptr<nn::Module> placed_model(const Settings& s) {
  auto model = models::make_model(spec_of(s));
  model->place(s.device, s.dtype, 0);
  return model;
}

/// From pictures as bytes in memory, as the training step has them, to logits.
class Inference final : public Timed {
 public:
  Inference(const Settings& s, int batch) : model_(placed_model(s)), normalisation_(spec_of(s).normalisation) {
    model_->eval();
    const NoisePictures pictures(batch, s.image_size);
    Loader(pictures, {.batch_size = batch, .workers = 0}).next(batch_);
  }

 private:
  void run() override {
    train::run_inference(*model_, batch_, normalisation_, [](const Tensor& outputs) { (void)train::logits_of(outputs); });
  }

  std::unique_ptr<nn::Module> model_;
  HeldWeights held_{model_->device()};  // as a program that judges one picture after another would
  ops::Normalisation normalisation_;
  Batch batch_;
};

class Training final : public Timed {
 public:
  explicit Training(const Settings& s) : model_(placed_model(s)), stepper_(*model_, {.normalisation = spec_of(s).normalisation}) {
    const NoisePictures pictures(s.batch, s.image_size);
    Loader(pictures, {.batch_size = s.batch, .workers = 0}).next(batch_);
  }

 private:
  void run() override {
    const double loss = stepper_.step(batch_, 1e-3).loss;
    SEPIA_CHECK_KIND(checked_ || (loss > 0.5 && loss < 1.0), ErrorKind::kNumeric, "step_bench: the first loss is ", loss, ", not near ln 2");
    checked_ = true;
  }

  std::unique_ptr<nn::Module> model_;
  train::Stepper stepper_;
  Batch batch_;
  bool checked_ = false;
};

long peak_rss_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

int run_once(const Settings& s) {
  const double infer = median(Inference(s, s.batch).time(s.reps, s.device));
  const double step = median(Training(s).time(s.reps, s.device));
  std::printf("{\"model\":\"%s\",\"batch\":%d,\"precision\":\"%s\",\"device\":\"%s\",\"threads\":%d,\"train_step_s\":%.6f,\"infer_s\":%.6f,\"peak_rss_mib\":%ld}\n",
              s.model.c_str(), s.batch, s.dtype == DType::kBF16 ? "bf16" : "fp32", device_name(s.device).c_str(), num_threads(), step, infer, peak_rss_mib());
  return 0;
}

/// Answers requests (bench/peers/compare.py) until the input ends; nothing is built before it is asked for.
int serve(const Settings& s) {
  std::unique_ptr<Training> training;
  std::map<int, std::unique_ptr<Inference>> inference;
  std::puts("{\"ready\":true,\"name\":\"sepia\"}");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    int batch = s.batch, reps = 0;
    words >> what;
    if (what == "infer") words >> batch;
    words >> reps;
    SEPIA_CHECK(words && (what == "train" || what == "infer") && batch > 0 && reps > 0, "step_bench: not a request: ", line);
    Seconds seconds;
    if (what == "train") {
      if (!training) training = std::make_unique<Training>(s);
      seconds = training->time(reps, s.device);
    } else {
      std::unique_ptr<Inference>& of_batch = inference[batch];
      if (!of_batch) of_batch = std::make_unique<Inference>(s, batch);
      seconds = of_batch->time(reps, s.device);
    }
    std::printf("{\"seconds\":[");
    for (std::size_t i = 0; i < seconds.size(); ++i) std::printf("%s%.9f", i == 0 ? "" : ",", seconds[i]);
    std::puts("]}");
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace sepia

int main(int argc, char** argv) {
  try {
    const sepia::Settings settings = sepia::settings_from(argc, argv);
    sepia::set_num_threads(settings.threads);
    return settings.serve ? sepia::serve(settings) : sepia::run_once(settings);
  } catch (const sepia::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.exit_code();
  }
}
