#include "tools/cli/options.h"

#include <optional>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/tensor/cuda_library.h"
#include "kernels/cpu/isa.h"
#include "tools/cli/numbers.h"

namespace sepia::cli {
namespace {

constexpr int kMostThreads = 1024;
constexpr int kLargestImage = 4096;
constexpr int kLargestBatch = 65536;

/// The index in "cuda" or "cuda:N"; none for anything else.
std::optional<int> cuda_index(const std::string& device) {
  if (device == "cuda") return 0;
  if (device.rfind("cuda:", 0) != 0) return std::nullopt;
  const std::string index = device.substr(5);
  if (index.empty() || index.size() > 3 || index.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::stoi(index);
}

Device chosen_device(const std::string& asked) {
  if (asked == "cpu") return kCpuDevice;
  std::string reason;
  if (asked == "auto") {
    const kernels::Backend* cuda = find_cuda_backend(0, reason);
    return cuda && !cuda->emulated ? Device{DeviceKind::kCuda, 0} : kCpuDevice;
  }
  const std::optional<int> index = cuda_index(asked);
  SEPIA_CHECK(index, "--device ", asked, ": must be auto, cpu, cuda or cuda:N");
  SEPIA_CHECK(find_cuda_backend(*index, reason), "--device ", asked, ": ", reason, "; use --device cpu");
  return {DeviceKind::kCuda, *index};
}

}  // namespace

void add_device_options(CLI::App& app, DeviceOptions& options) {
  app.add_option("--device", options.device, "Where to compute: auto, cpu, cuda or cuda:N")->type_name("D")->default_str(options.device);
  app.add_option("--precision", options.precision, "Type of activations and products: fp32 or bf16")
      ->type_name("P")
      ->default_str(options.precision);
  add_whole(app, "--threads", options.threads, 0, kMostThreads, "Threads that compute, 0: all processors; results do not depend on it");
}

Compute use_device(const DeviceOptions& options) {
  SEPIA_CHECK(options.precision == "fp32" || options.precision == "bf16", "--precision ", options.precision, ": must be fp32 or bf16");
  const Device device = chosen_device(options.device);
  const DType dtype = options.precision == "bf16" ? DType::kBF16 : DType::kF32;
  SEPIA_CHECK(dtype == DType::kF32 || backend_of(device).bfloat16, "--precision bf16: this processor does not multiply bf16 numbers (AVX-512 BF16 or AMX does); use --precision fp32");
  kernels::cpu::isa_limit();  // a SEPIA_MAX_ISA that means nothing is refused here, not ignored
  set_num_threads(options.threads);
  return {device, dtype};
}

CLI::Option* add_seed_option(CLI::App& app, std::uint64_t& seed) {
  CLI::Option* option = app.add_option(
      "--seed",
      [&seed](const CLI::results_t& given) {
        seed = parse_seed("--seed", given.front());
        return true;
      },
      "Every random choice follows from it");
  return option->type_name("N")->expected(1)->default_str(std::to_string(seed));
}

CLI::Option* add_json_option(CLI::App& app, bool& json) {
  return app.add_flag("--json", json, "Write the result for machines (JSON) to stdout");
}

CLI::Option* add_image_size_option(CLI::App& app, int& image_size, int smallest) {
  return add_whole(app, "--image-size", image_size, smallest, kLargestImage, "Width and height of the network's input, in pixels");
}

CLI::Option* add_batch_size_option(CLI::App& app, int& batch_size) {
  return add_whole(app, "-b,--batch-size", batch_size, 1, kLargestBatch, "Pictures in one step");
}

CLI::Option* add_workers_option(CLI::App& app, int& workers) {
  return add_whole(app, "-j,--workers", workers, 0, kMostThreads, "Threads that read pictures; results do not depend on it");
}

CLI::Option* add_class_map_option(CLI::App& app, std::string& real_folder, std::string& fake_folder) {
  CLI::Option* option = app.add_option(
      "--class-map",
      [&](const CLI::results_t& given) {
        const std::string& text = given.front();
        const std::size_t comma = text.find(",fake=");
        SEPIA_CHECK(text.starts_with("real=") && comma != std::string::npos && comma > 5 && comma + 6 < text.size(),
                    "--class-map must be real=FOLDER,fake=FOLDER; got '", text, "'");
        real_folder = text.substr(5, comma - 5);
        fake_folder = text.substr(comma + 6);
        return true;
      },
      "Names of the class folders: real=FOLDER,fake=FOLDER");
  return option->type_name("MAP")->expected(1);
}

void add_output_options(CLI::App& app, OutputOptions& options, const std::string& what) {
  CLI::Option* out = app.add_option("-o,--out", options.out, what + "; must be new or empty unless --overwrite")->type_name("FOLDER");
  if (options.out.empty()) {
    out->required();
  } else {
    out->default_str(options.out.string());
  }
  app.add_flag("--overwrite", options.overwrite, "Write into --out even when it is in use");
}

}  // namespace sepia::cli
