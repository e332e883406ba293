// What cuDNN itself says to the convolutions that it may be given, without a GPU: it makes plans for a device that is only described.
// They cannot be run here; that their descriptions are understood, and that the engines are those that the rules allow, can be seen.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/error.h"
#include "kernels/cuda_library.h"

namespace sepia::test {
namespace {

using kernels::Accumulate;
using kernels::Conv2dShape;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kLibrary = SEPIA_CUDA_LIBRARY;  // empty: not built
constexpr int kForward = 0, kBackwardInput = 1, kBackwardWeight = 2;

/// A GPU of compute capability 9.0 (as H100) or 8.0 (as A100), the way cuDNN 9 writes a device down.
std::string device(int capability) {
  const bool hopper = capability == 90;
  return str(R"({"deviceVer":)", 10 * capability, R"(,"driverVer":13000,"cudaDeviceId":0,"deviceName":")", hopper ? "NVIDIA H100" : "NVIDIA A100",
             R"(","maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,"multiProcessorCount":)",
             hopper ? 132 : 108, R"(,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":)", hopper ? 232448 : 166912,
             R"(,"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024)",
             R"(,"maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":85000000000)",
             R"(,"smClockRateKHz":1980000,"memClockRateKHz":2619000,"l2CacheSize":52428800})");
}

class CudnnPlans : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!*kLibrary) GTEST_SKIP() << "libsepia_cuda.so was not built: nvcc is not here";
    void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    describe_ = reinterpret_cast<kernels::cuda::DescribePlan>(dlsym(library, kernels::cuda::kPlanSymbol));
    ASSERT_NE(describe_, nullptr);
    if (plan(kForward, shapes()[0], DType::kBF16) == "no cuDNN") GTEST_SKIP() << "no cuDNN 9.8 or newer that plans for this device";
  }

  static std::vector<Conv2dShape> shapes() {
    // {batch, height, width, in_channels, out_channels, kernel_h, kernel_w, stride, padding}
    return {{32, 127, 127, 32, 64, 3, 3, 1, 0}, {32, 64, 64, 64, 128, 3, 3, 2, 1}, {4, 33, 29, 24, 40, 5, 3, 1, 2}, {8, 59, 59, 16, 24, 7, 7, 1, 0}};
  }
  std::string plan(int part, const Conv2dShape& shape, DType type, Accumulate accumulate = Accumulate::kWrite) const {
    const std::string described = device(GetParam());
    const kernels::cuda::PlanRequest request{part, shape, type, part == kBackwardWeight ? DType::kF32 : type, accumulate, described.c_str()};
    return describe_(&request);
  }

 private:
  kernels::cuda::DescribePlan describe_ = nullptr;
};

TEST_P(CudnnPlans, EveryPartInFloatHasAnEngineThatDoesNotRoundToTf32) {
  for (const Conv2dShape& shape : shapes()) {
    for (const int part : {kForward, kBackwardInput, kBackwardWeight}) {
      const std::string found = plan(part, shape, DType::kF32);
      EXPECT_THAT(found, StartsWith("engine ")) << "part " << part << " of " << shape.in_channels << " channels";
      EXPECT_THAT(found, Not(HasSubstr("tensor cores")));
    }
  }
}

TEST_P(CudnnPlans, Bf16GoesToTensorCores) {
  for (const Conv2dShape& shape : shapes()) {
    for (const int part : {kForward, kBackwardInput}) {
      EXPECT_THAT(plan(part, shape, DType::kBF16), HasSubstr("tensor cores")) << "part " << part << " of " << shape.in_channels << " channels";
    }
  }
}

TEST_P(CudnnPlans, GradientsCanBeAddedTo) {
  EXPECT_THAT(plan(kBackwardInput, shapes()[0], DType::kBF16, Accumulate::kAdd), StartsWith("engine "));
  EXPECT_THAT(plan(kBackwardInput, shapes()[1], DType::kF32, Accumulate::kAdd), StartsWith("engine "));
  EXPECT_THAT(plan(kBackwardWeight, shapes()[1], DType::kF32, Accumulate::kAdd), StartsWith("engine "));
}

TEST_P(CudnnPlans, AShapeThatIsNoConvolutionHasNone) {
  Conv2dShape wrong = shapes()[0];
  wrong.height = 1;  // less than the filter
  EXPECT_EQ(plan(kForward, wrong, DType::kF32), "no engine");
}

INSTANTIATE_TEST_SUITE_P(ComputeCapability, CudnnPlans, ::testing::Values(90, 80), ::testing::PrintToStringParamName());

}  // namespace
}  // namespace sepia::test
