// Every CUDA kernel on the layers of the three networks:
//     build/cuda_bench [--only PART_OF_A_LAYER'S_NAME] [--precision fp32|bf16] [--batch N] [--runs N] [--csv FILE] [--plot STEM]
// On a GPU it times them with a cold cache (the second-level cache is overwritten before each run; median of --runs; batch 32) and
// gives the share of what a copy reaches in the same run. Without a GPU the emulator runs them and counts bytes, sectors, bank
// conflicts and barriers (batch 1), and beside that stand registers, shared memory and occupancy as the compiler left them, and the
// least times that the peak rates of four GPUs allow. Results are held against the reference first. The table goes to stdout.
// Exit code 5 when a result was wrong.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "bench/cuda/layers.h"
#include "bench/cuda/table.h"
#include "engine/base/error.h"

namespace sepia::bench {
namespace {

namespace fs = std::filesystem;

struct Settings {
  LayerOptions layers{"", 0};  ///< batch 0: 32 on a GPU, 1 on the emulator
  std::string precision;  ///< empty: both
  int runs = 21;
  fs::path csv, plot;
};

Settings settings_from(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    SEPIA_CHECK(i + 1 < argc, option, " needs a value");
    const std::string value = argv[i + 1];
    if (option == "--only") s.layers.only = value;
    else if (option == "--precision") s.precision = value;
    else if (option == "--batch") s.layers.batch = std::atoi(value.c_str());
    else if (option == "--runs") s.runs = std::atoi(value.c_str());
    else if (option == "--csv") s.csv = value;
    else if (option == "--plot") s.plot = value;
    else SEPIA_CHECK(false, "cuda_bench has no option ", option);
    if (option == "--batch" || option == "--runs") SEPIA_CHECK(std::atoi(value.c_str()) > 0, option, " must be positive");
  }
  SEPIA_CHECK(s.precision.empty() || s.precision == "fp32" || s.precision == "bf16", "--precision is fp32 or bf16");
  return s;
}

int run(const Settings& settings, const fs::path& folder) {
  const CudaDevice device = open_cuda_device(folder);
  std::printf("%s%s\n", device.backend->device, device.simt ? ": no kernel has run on a real GPU here" : "");
  std::unique_ptr<Stopwatch> stopwatch;
  if (device.time) {
    stopwatch = std::make_unique<Stopwatch>(device, settings.runs);
    std::printf("copy: %.0f GB/s\n", 1e-9 * stopwatch->copy_rate());
  } else if (!device.why_emulated.empty()) {
    std::printf("emulated, because: %s\n", device.why_emulated.c_str());
  }
  std::vector<gpu::KernelFacts> facts;
  if (fs::exists(folder / "libsepia_cuda.so")) facts = gpu::read_kernel_facts(folder / "libsepia_cuda.so");
  const double copy_rate = stopwatch ? stopwatch->copy_rate() : 0;
  const auto tell = [](const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  tell(markdown_head(copy_rate));
  Meter meter(device, stopwatch.get(), [&](const Measured& call) { tell(markdown_row(call, facts, copy_rate)); });
  LayerOptions layers = settings.layers;
  if (layers.batch == 0) layers.batch = device.time ? 32 : 1;
  std::vector<std::string> wrong;
  const auto add = [&](const std::vector<std::string>& lines) { wrong.insert(wrong.end(), lines.begin(), lines.end()); };
  if (settings.precision != "bf16") add(measure_layers<float>(meter, layers));
  if (settings.precision != "fp32") add(measure_layers<bf16>(meter, layers));
  if (!settings.csv.empty()) write_csv(settings.csv, meter.measured(), facts, copy_rate);
  if (!settings.plot.empty()) save_plot(settings.plot, meter.measured(), copy_rate);
  for (const std::string& line : wrong) std::fprintf(stderr, "error: %s\n", line.c_str());
  return wrong.empty() ? 0 : static_cast<int>(ErrorKind::kNumeric);
}

}  // namespace
}  // namespace sepia::bench

int main(int argc, char** argv) {
  try {
    return sepia::bench::run(sepia::bench::settings_from(argc, argv), std::filesystem::canonical("/proc/self/exe").parent_path());
  } catch (const sepia::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.exit_code();
  }
}
