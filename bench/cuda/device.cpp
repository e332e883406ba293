#include "bench/cuda/device.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "engine/base/error.h"

namespace sepia::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFlushBytes = std::size_t{512} << 20;  ///< more than any GPU's second-level cache

template <class F>
F symbol(void* library, const char* name) { return reinterpret_cast<F>(dlsym(library, name)); }

/// False, and `reason`, when the library is not there or finds no device.
bool open_library(const fs::path& path, CudaDevice& device, std::string& reason) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto open = library ? symbol<kernels::cuda::Open>(library, kernels::cuda::kOpenSymbol) : nullptr;
  if (!open) {
    reason = fs::exists(path) ? dlerror() : path.filename().string() + " was not built";
    return false;
  }
  char message[512] = "";
  const kernels::cuda::OpenRequest request{0, sizeof(kernels::Backend) + sizeof(kernels::KernelTable<float>), message, sizeof message};
  device.backend = open(&request);
  if (!device.backend) {
    reason = message;
    return false;
  }
  if (device.backend->emulated) {
    device.simt = symbol<const SimtControl* (*)()>(library, "simt_control")();
  } else {
    device.time = symbol<kernels::cuda::Time>(library, kernels::cuda::kTimeSymbol);
  }
  return true;
}

}  // namespace

CudaDevice open_cuda_device(const fs::path& beside) {
  CudaDevice device;
  std::string reason;
  if (const char* named = std::getenv("SEPIA_CUDA_BACKEND"); named && *named) {
    SEPIA_CHECK(open_library(named, device, reason), named, ": ", reason);
    return device;
  }
  if (open_library(beside / "libsepia_cuda.so", device, device.why_emulated)) return device;
  SEPIA_CHECK(open_library(beside / "libsepia_simt.so", device, reason), "neither a GPU (", device.why_emulated, ") nor the emulator (", reason, ")");
  return device;
}

Stopwatch::Stopwatch(const CudaDevice& device, int runs) : device_(device), runs_(runs) {
  flush_ = device.backend->memory.allocate(kFlushBytes);
  other_ = device.backend->memory.allocate(kFlushBytes);
  SEPIA_CHECK_KIND(flush_ && other_, ErrorKind::kMemory, "no device memory to measure a copy with");
  copy_rate_ = 2 * static_cast<double>(kFlushBytes) / seconds([&] { device.backend->memory.copy({}, other_, flush_, kFlushBytes); });
}

Stopwatch::~Stopwatch() {
  device_.backend->memory.release(flush_);
  device_.backend->memory.release(other_);
}

double Stopwatch::once(const std::function<void()>& work) const {
  // The device is still busy with this when the work and both events have been queued: no launch is waited for in the time.
  device_.backend->memory.zero({}, flush_, kFlushBytes);
  const auto call = [](void* data) { (*static_cast<const std::function<void()>*>(data))(); };
  return 1e-3 * device_.time({}, call, const_cast<std::function<void()>*>(&work));
}

double Stopwatch::seconds(const std::function<void()>& work) const {
  once(work);  // libraries and scratch memory are made ready
  std::vector<double> times;
  for (int i = 0; i < runs_; ++i) times.push_back(once(work));
  std::ranges::nth_element(times, times.begin() + runs_ / 2);
  return times[static_cast<std::size_t>(runs_ / 2)];
}

}  // namespace sepia::bench
