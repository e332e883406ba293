// Explanations of 36 pictures of 256x256 with untrained networks: bytes in, maps as large as the pictures out.
//     build/explain_bench [--benchmark_filter='edgenet/gradcam/.*'] [--benchmark_format=json]
// Names are NETWORK/METHOD/THREADS. Pictures are noise: no kernel's time depends on them. Checked before it is timed: maps are finite, some
// have something on them, and one of those is the same when its picture is explained alone. bench/peers/explain_peer.py has PyTorch's
// libraries do the same in turn.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "models/model.h"
#include "tools/explain/explain_pictures.h"

namespace sepia::bench {
namespace {

constexpr int kPictures = 36, kSize = 256;
constexpr int kBatch = 12;  ///< of Grad-CAM and saliency; the others keep several arrays of a batch's size
constexpr std::uint64_t kWeights = 1;  ///< the seed of the untrained weights: with 0 edgenet scores noise so that every Grad-CAM is empty

std::vector<tools::PictureToExplain> noise_pictures() {
  RandomStream random(3, RandomPurpose::kTest);
  std::vector<tools::PictureToExplain> pictures;
  for (int i = 0; i < kPictures; ++i) {
    Image image(kSize, kSize);
    for (std::uint8_t& value : image.rgb) value = static_cast<std::uint8_t>(random.below(256));
    pictures.push_back({std::move(image), i % 2});  // of an untrained network's two classes one may have empty maps
  }
  return pictures;
}

/// Whether the maps are finite, and one that is not empty does not depend on its company.
bool plausible(nn::Module& model, const std::vector<tools::PictureToExplain>& pictures, const explain::ExplainOptions& options,
               const std::vector<explain::Explanation>& found) {
  if (found.size() != pictures.size()) return false;
  const auto finite = [](const explain::Explanation& e) { return std::ranges::all_of(e.map.values, [](float v) { return std::isfinite(v); }); };
  if (!std::ranges::all_of(found, finite)) return false;
  const auto full = std::ranges::find_if(found, [](const explain::Explanation& e) { return explain::extremes(e.map).magnitude() > 0; });
  if (full == found.end()) return false;
  const auto alone = tools::explain_pictures(model, {pictures[static_cast<std::size_t>(full - found.begin())]}, options, 1);
  const double allowed = 1e-3 * explain::extremes(full->map).magnitude();
  return std::ranges::equal(alone[0].map.values, full->map.values, [&](float a, float b) { return std::abs(a - b) <= allowed; });
}

void bench_method(benchmark::State& state, const std::string& network, explain::Method method) {
  set_num_threads(static_cast<int>(state.range(0)));
  const models::ModelSpec spec = models::default_spec(network);
  const auto model = models::make_model(spec);
  model->place(kCpuDevice, DType::kF32, kWeights);
  const std::vector<tools::PictureToExplain> pictures = noise_pictures();
  const explain::ExplainOptions options{.method = method, .layer = spec.explained_layer, .normalisation = spec.normalisation};
  const auto maps = [&] {
    std::vector<explain::Explanation> found = tools::explain_pictures(*model, pictures, options, kBatch);
    for (explain::Explanation& explanation : found) explanation.map = tools::at_picture_size(explanation.map, kSize);
    return found;
  };
  const std::vector<explain::Explanation> coarse = tools::explain_pictures(*model, pictures, options, kBatch);
  if (!plausible(*model, pictures, options, coarse)) return state.SkipWithError("a map is empty, not finite, or depends on the other pictures");
  for (auto _ : state) benchmark::DoNotOptimize(maps());
  state.counters["pictures/s"] = benchmark::Counter(static_cast<double>(state.iterations()) * kPictures, benchmark::Counter::kIsRate);
  set_num_threads(0);
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  using sepia::explain::Method;
  for (const std::string network : {"edgenet", "simplenet"}) {
    for (const Method method : {Method::kGradCam, Method::kSaliency, Method::kSmoothGrad, Method::kIntegratedGradients}) {
      const std::string name = network + "/" + sepia::explain::facts_of(method).name;
      benchmark::RegisterBenchmark(name.c_str(), [network, method](benchmark::State& state) { sepia::bench::bench_method(state, network, method); })
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime()
          ->Arg(1)
          ->Arg(2);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
