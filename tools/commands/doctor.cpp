// sepia doctor: what this machine offers and which backend will run.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/parallel_for.h"
#include "engine/base/version.h"
#include "engine/tensor/cuda_library.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"
#include "tools/cli/errors.h"
#include "tools/cli/json.h"
#include "tools/cli/options.h"
#include "tools/commands/commands.h"
#include "tools/commands/library_versions.h"
#include "tools/verify/verify.h"

namespace sepia::cli {
namespace {

struct DoctorOptions {
  bool json = false;
  bool verify = false;
  DeviceOptions device;
};

struct Cpu {
  std::string name = "unknown";
  std::vector<std::string> features;  ///< those of kWantedFeatures that it has
};

struct Report {
  Cpu cpu;
  int processors = 0;          ///< of the machine
  int processors_usable = 0;   ///< for this process (affinity)
  double memory_gib = 0.0;
  double memory_free_gib = 0.0;
  std::vector<std::pair<std::string, std::string>> libraries;
  std::string max_isa;          ///< SEPIA_MAX_ISA; empty: not set
  std::string vector_target;    ///< what our own kernels run with, as Highway names it
  std::string product_target;   ///< what oneDNN runs with
  std::string cuda_device;      ///< what the CUDA backend runs on; empty: there is none
  std::string cuda_reason;      ///< why not
  std::string cuda_libraries;   ///< which of NVIDIA's libraries the CUDA backend finds
  Compute compute;              ///< what --device and --precision came to
};

/// The CPU features that kernels choose by, as /proc/cpuinfo names them.
constexpr const char* kWantedFeatures[] = {"avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_bf16", "amx_tile", "amx_bf16"};

Cpu read_cpu() {
  Cpu cpu;
  std::ifstream in("/proc/cpuinfo");
  std::string line;
  std::set<std::string> flags;
  while (std::getline(in, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 2 > line.size()) continue;
    const std::string value = line.substr(colon + 2);
    if (line.rfind("model name", 0) == 0) cpu.name = value;
    if (line.rfind("flags", 0) == 0) {
      std::istringstream words(value);
      for (std::string flag; words >> flag;) flags.insert(flag);
      break;  // all processors alike
    }
  }
  for (const char* feature : kWantedFeatures) {
    if (flags.contains(feature)) cpu.features.emplace_back(feature);
  }
  return cpu;
}

/// The value of "Name:  N kB" in /proc/meminfo, in GiB; 0 when absent.
double meminfo_gib(const std::string& name) {
  std::ifstream in("/proc/meminfo");
  std::string key;
  double kib = 0.0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    if (words >> key >> kib && key == name + ":") return kib / (1024.0 * 1024.0);
  }
  return 0.0;
}

/// The instruction set that oneDNN takes, the limit considered.
std::string product_isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx: return "AMX";
    case dnnl::cpu_isa::avx512_core_bf16: return "AVX-512 with bf16";
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core: return "AVX-512";
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::avx2: return "AVX2";
    case dnnl::cpu_isa::avx: return "AVX";
    case dnnl::cpu_isa::sse41: return "SSE4.1";
    default: return "plain";
  }
}

Report examine(const Compute& compute) {
  Report report;
  report.compute = compute;
  const int index = compute.device.kind == DeviceKind::kCuda ? compute.device.index : 0;
  if (const kernels::Backend* cuda = find_cuda_backend(index, report.cuda_reason)) {
    report.cuda_device = cuda->device;
    report.cuda_libraries = cuda_libraries();
  }
  report.cpu = read_cpu();
  report.processors = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (::sched_getaffinity(0, sizeof usable, &usable) == 0) report.processors_usable = CPU_COUNT(&usable);
  report.memory_gib = meminfo_gib("MemTotal");
  report.memory_free_gib = meminfo_gib("MemAvailable");
  report.libraries = library_versions();
  kernels::cpu::isa_limit();  // refuses a value that it does not know
  if (const char* limit = std::getenv("SEPIA_MAX_ISA")) report.max_isa = limit;
  report.vector_target = kernels::cpu::vector_target_name();
  report.product_target = product_isa();
  return report;
}

void print_for_people(const Report& report) {
  fmt::print("sepia          {}\n", version());
  fmt::print("processor      {}\n", report.cpu.name);
  fmt::print("features       {}\n", fmt::join(report.cpu.features, " "));
  fmt::print("processors     {} usable of {}; {} threads compute by default\n", report.processors_usable, report.processors, num_threads());
  fmt::print("memory         {:.1f} GiB, {:.1f} free\n", report.memory_gib, report.memory_free_gib);
  for (const auto& [name, number] : report.libraries) fmt::print("{:<15}{}\n", name, number);
  fmt::print("CUDA           {}\n", report.cuda_device.empty() ? "not available: " + report.cuda_reason : report.cuda_device);
  if (!report.cuda_libraries.empty()) fmt::print("CUDA libraries {}\n", report.cuda_libraries);
  if (report.compute.device.kind == DeviceKind::kCuda) {
    fmt::print("backend        {}, fp32 and bf16\n", device_name(report.compute.device));
    return;
  }
  fmt::print("backend        cpu, fp32: kernels with {}, matrix products with {}{}\n", report.vector_target, report.product_target,
             report.max_isa.empty() ? "" : " (limited by SEPIA_MAX_ISA=" + report.max_isa + ")");
}

nlohmann::ordered_json json_of(const Report& report) {
  nlohmann::ordered_json libraries;
  for (const auto& [name, number] : report.libraries) libraries[name] = number;
  nlohmann::ordered_json json = {
      {"sepia", version()},
      {"cpu", {{"name", report.cpu.name}, {"features", report.cpu.features}}},
      {"processors", report.processors},
      {"processors_usable", report.processors_usable},
      {"threads", num_threads()},
      {"memory_gib", report.memory_gib},
      {"memory_free_gib", report.memory_free_gib},
      {"libraries", libraries},
      {"cuda", nullptr},
      {"backend", device_name(report.compute.device)},
      {"vector_target", report.vector_target},
      {"product_target", report.product_target},
      {"precisions", {"fp32"}},
  };
  if (report.cuda_device.empty()) {
    json["cuda_reason"] = report.cuda_reason;
  } else {
    json["cuda"] = report.cuda_device;
    json["cuda_libraries"] = report.cuda_libraries;
  }
  if (backend_of(report.compute.device).bfloat16) json["precisions"].push_back("bf16");
  json["max_isa"] = report.max_isa.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(report.max_isa);
  return json;
}

/// Runs every operation's cases; the exit code says whether all agreed.
int verify(const Compute& compute, bool to_json, nlohmann::ordered_json& json) {
  int cases = 0;
  int passed = 0;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const tools::Verification& one : tools::verify_backend(backend_of(compute.device))) {
    cases += one.cases;
    passed += one.passed;
    nlohmann::ordered_json fault = nullptr;
    if (!one.first_fault.empty()) fault = one.first_fault;
    rows.push_back({{"op", one.op}, {"precision", one.precision}, {"cases", one.cases}, {"passed", one.passed}, {"first_fault", fault}});
    if (!to_json) fmt::print("{:<18} {}  {:>3} of {:>3}\n", one.op, one.precision, one.passed, one.cases);
    if (!one.first_fault.empty()) print_error(one.op + " in " + one.precision + " differs from the reference: " + one.first_fault);
  }
  if (!to_json) fmt::print("{} of {} cases agree with the reference kernels\n", passed, cases);
  json["verify"] = {{"cases", cases}, {"passed", passed}, {"ops", rows}};
  return passed == cases ? 0 : 1;
}

int run_doctor(const DoctorOptions& options) {
  const Compute compute = use_device(options.device);
  const Report report = examine(compute);
  nlohmann::ordered_json json = json_of(report);
  if (!options.json) print_for_people(report);
  const int exit_code = options.verify ? verify(compute, options.json, json) : 0;
  if (options.json) print_json(json);
  return exit_code;
}

}  // namespace

void add_doctor_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App& command = session.add_command(app, "doctor", "Say what this machine offers and which backend will run",
                                          "sepia doctor\n"
                                          "sepia doctor --json\n"
                                          "sepia doctor --verify                       # every kernel against the textbook one\n"
                                          "SEPIA_MAX_ISA=avx2 sepia doctor --verify    # the same as an older processor would run it");
  command.add_flag("--verify", options->verify, "Run every operation's cases and compare with the reference kernels");
  add_device_options(command, options->device);
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_doctor(*options); });
}

}  // namespace sepia::cli
