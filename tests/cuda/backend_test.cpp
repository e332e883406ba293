// The CUDA backend's memory, streams and graphs, below the engine.
#include <numeric>

#include "tests/cuda/support/device_table.h"

namespace sepia::test {
namespace {

class CudaBackend : public CudaTest {
 protected:
  const kernels::Backend& backend() const { return *cuda_under_test().backend; }
  const kernels::MemoryCalls& memory() const { return backend().memory; }

  float* upload(const std::vector<float>& values) {
    auto* device = static_cast<float*>(memory().allocate(values.size() * sizeof(float)));
    memory().copy_from_host({}, device, values.data(), values.size() * sizeof(float));
    return device;
  }
  std::vector<float> download(const float* device, std::size_t count) {
    std::vector<float> values(count);
    memory().copy_to_host({}, values.data(), device, count * sizeof(float));
    return values;
  }
};

std::vector<float> ramp(std::size_t count, float first) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST_F(CudaBackend, SaysWhatItRunsOn) {
  EXPECT_STRNE(backend().device, "");
  EXPECT_EQ(backend().emulated, cuda_under_test().simt != nullptr);
  EXPECT_NE(backend().float32, nullptr);
  EXPECT_NE(backend().bfloat16, nullptr);
  EXPECT_EQ(backend().float64, nullptr);
}

TEST_F(CudaBackend, CopiesAndZeroesInOrder) {
  const std::vector<float> values = ramp(1000, 1);
  float* a = upload(values);
  float* b = upload(std::vector<float>(1000, -1));
  memory().copy({}, b, a, 900 * sizeof(float));
  memory().zero({}, a, 10 * sizeof(float));
  std::vector<float> expected = values;
  std::fill(expected.begin() + 900, expected.end(), -1.0F);
  EXPECT_EQ(download(b, 1000), expected);
  EXPECT_EQ(download(a, 10), std::vector<float>(10, 0.0F));
  memory().release(a);
  memory().release(b);
}

TEST_F(CudaBackend, HostMemoryMayBeOverwrittenRightAfterACopy) {
  std::vector<float> values = ramp(4096, 0);
  auto* device = static_cast<float*>(memory().allocate(values.size() * sizeof(float)));
  memory().copy_from_host({}, device, values.data(), values.size() * sizeof(float));
  std::fill(values.begin(), values.end(), -7.0F);
  EXPECT_EQ(download(device, 4096), ramp(4096, 0));
  memory().release(device);
}

TEST_F(CudaBackend, AGraphPlaysTheSameWorkAgainOnWhatTheMemoryHoldsThen) {
  float* x = upload(ramp(64, 0));
  float* sum = upload(std::vector<float>(64, 0));
  const kernels::AccumulateInto<float> add{.count = 64, .source = x, .destination = sum, .accumulate = kernels::Accumulate::kAdd};
  backend().graph->begin_capture({});
  cuda_table<float>().accumulate_into({}, add);
  cuda_table<float>().accumulate_into({}, add);
  void* graph = backend().graph->end_capture({});
  EXPECT_EQ(download(sum, 64), std::vector<float>(64, 0)) << "recording must not run anything";
  backend().graph->launch({}, graph);
  memory().copy_from_host({}, x, ramp(64, 100).data(), 64 * sizeof(float));
  backend().graph->launch({}, graph);
  std::vector<float> expected(64);
  for (int i = 0; i < 64; ++i) expected[i] = 2.0F * static_cast<float>(i) + 2.0F * static_cast<float>(100 + i);
  EXPECT_EQ(download(sum, 64), expected);
  backend().graph->release(graph);
  memory().release(x);
  memory().release(sum);
}

TEST_F(CudaBackend, AnAbandonedCaptureLeavesTheStreamUsable) {
  float* x = upload(ramp(8, 0));
  backend().graph->begin_capture({});
  memory().zero({}, x, 8 * sizeof(float));
  backend().graph->abandon_capture({});
  EXPECT_EQ(download(x, 8), ramp(8, 0));
  memory().release(x);
}

TEST_F(CudaBackend, WithoutMemoryAnAllocationIsNull) {
  EXPECT_EQ(memory().allocate(std::size_t{1} << 50), nullptr);
  float* x = upload(ramp(8, 0));  // and the next call does not hear of it
  EXPECT_EQ(download(x, 8), ramp(8, 0));
  memory().release(x);
}

}  // namespace
}  // namespace sepia::test
