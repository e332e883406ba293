// Options that mean the same in every command, each added by its own function so that a command takes only those it uses.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/base/dtype.h"
#include "engine/tensor/device.h"

namespace sepia::cli {

/// Where and how a command computes.
struct DeviceOptions {
  std::string device = "auto";     ///< auto, cpu, cuda or cuda:N, as given
  std::string precision = "fp32";  ///< fp32 or bf16
  int threads = 0;                 ///< 0: as many as there are processors for this process
};

/// --device, --precision, --threads.
void add_device_options(CLI::App& app, DeviceOptions& options);

/// Where a command will compute, and the type of activations there.
struct Compute {
  Device device = kCpuDevice;
  DType dtype = DType::kF32;
};

/// Checks that the device and the precision exist here and sets the number of threads. `auto` is the first CUDA device where one
/// is found, and the CPU elsewhere; an emulated device is only taken when it is asked for. Error kUsage, one sentence, when the
/// device or its precision does not exist.
Compute use_device(const DeviceOptions& options);

/// --seed N: every random choice of the command follows from it.
CLI::Option* add_seed_option(CLI::App& app, std::uint64_t& seed);
/// --json: the result for machines on stdout; people's text stays on stderr.
CLI::Option* add_json_option(CLI::App& app, bool& json);
/// --image-size N (pixels, square), at least `smallest`.
CLI::Option* add_image_size_option(CLI::App& app, int& image_size, int smallest = 1);
/// -b, --batch-size N.
CLI::Option* add_batch_size_option(CLI::App& app, int& batch_size);
/// -j, --workers N: threads that read and decode pictures; results do not depend on it.
CLI::Option* add_workers_option(CLI::App& app, int& workers);

/// --class-map real=FOLDER,fake=FOLDER: class folders of other names. Error kUsage for anything else.
CLI::Option* add_class_map_option(CLI::App& app, std::string& real_folder, std::string& fake_folder);

/// A folder that a command writes into.
struct OutputOptions {
  std::filesystem::path out;
  bool overwrite = false;
};

/// --out FOLDER (required unless `out` has a value already) and --overwrite; see claim_output_folder.
void add_output_options(CLI::App& app, OutputOptions& options, const std::string& what);

}  // namespace sepia::cli
