#include "tests/cuda/support/device_table.h"

#include <dlfcn.h>

#include <cstdlib>
#include <stdexcept>

#include "engine/tensor/cuda_library.h"

namespace sepia::test {
namespace {

CudaUnderTest open() {
  CudaUnderTest cuda;
  const char* library = std::getenv("SEPIA_CUDA_BACKEND");
  if (!library) {
    cuda.reason = "SEPIA_CUDA_BACKEND names no library of CUDA kernels";
    return cuda;
  }
  cuda.backend = find_cuda_backend(0, cuda.reason);
  if (std::string(library).find("simt") == std::string::npos) return cuda;
  if (!cuda.backend) throw std::runtime_error("the emulated device is not there: " + cuda.reason);
  void* loaded = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  const auto control = reinterpret_cast<const SimtControl* (*)()>(loaded ? dlsym(loaded, "simt_control") : nullptr);
  if (!control) throw std::runtime_error("the emulator exports no control");
  cuda.simt = control();
  return cuda;
}

}  // namespace

const CudaUnderTest& cuda_under_test() {
  static const CudaUnderTest cuda = open();
  return cuda;
}

std::string emulator_faults() {
  const SimtControl* simt = cuda_under_test().simt;
  if (!simt) return "";
  std::string text(1 << 14, '\0');
  if (simt->faults(text.data(), text.size()) == 0) return "";
  return text.c_str();
}

void CudaTest::SetUp() {
  const CudaUnderTest& cuda = cuda_under_test();
  if (!cuda.backend) GTEST_SKIP() << "no CUDA device to test on: " << cuda.reason;
  if (cuda.simt) {
    cuda.simt->set_seed(kSeeds[0]);
    cuda.simt->reset();
  }
}

void CudaTest::TearDown() { EXPECT_EQ(emulator_faults(), ""); }

Traffic count_traffic(const std::function<void()>& run, const std::string& kernel) {
  const SimtControl* simt = cuda_under_test().simt;
  if (!simt) throw std::runtime_error("traffic is counted by the emulator alone");
  simt->reset();
  simt->set_counting(1);
  run();
  cuda_under_test().backend->memory.synchronize({});  // kernels run when the host waits
  simt->set_counting(0);
  std::vector<SimtKernelCounters> counters(simt->counters(nullptr, 0));
  simt->counters(counters.data(), counters.size());
  Traffic traffic;
  for (const SimtKernelCounters& c : counters) {
    if (std::string(c.kernel).find(kernel) == std::string::npos) continue;
    traffic.read += static_cast<double>(c.load_bytes);
    traffic.written += static_cast<double>(c.store_bytes);
    traffic.read_sectors += static_cast<double>(c.load_sectors);
    traffic.written_sectors += static_cast<double>(c.store_sectors);
    traffic.shared_wavefronts += static_cast<double>(c.shared_wavefronts);
    traffic.bank_conflicts += static_cast<double>(c.bank_conflicts);
  }
  simt->reset();
  return traffic;
}

}  // namespace sepia::test
