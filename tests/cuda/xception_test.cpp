// A narrow Xception forward and backward on the CUDA device beside the CPU: every gradient of the whole table of blocks.
#include "models/xception.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/nn/flat_parameters.h"
#include "engine/train/stepper.h"
#include "tests/cuda/support/device_table.h"
#include "tests/support/narrow_xception.h"

namespace sepia::test {
namespace {

struct Pass {
  double loss = 0;
  std::vector<double> gradients, running;
};

/// Loss, gradients and running statistics after one step of the narrow golden network on its first batch.
Pass pass_on(Device device) {
  golden::Run run = golden::narrow_run(device, DType::kF32);
  Pass pass;
  pass.loss = run.gradients(0);
  pass.gradients = run.model().flat().gradients().to_doubles();
  run.update();
  pass.running = run.model().flat().running_statistics().to_doubles();
  return pass;
}

using CudaXception = CudaTest;

TEST_F(CudaXception, ForwardAndBackwardAreTheCpus) {
  const Pass cuda = pass_on({DeviceKind::kCuda, 0}), cpu = pass_on(kCpuDevice);
  EXPECT_NEAR(cuda.loss, cpu.loss, 1e-6);
  ASSERT_EQ(cuda.gradients.size(), cpu.gradients.size());
  golden::Run names = golden::narrow_run(kCpuDevice, DType::kF32);
  double worst = 0;
  for (const auto& [name, parameter] : names.model().named_parameters()) {
    double largest = 0, difference = 0;
    for (std::int64_t i = 0; i < parameter->shape.numel(); ++i) {
      const auto at = static_cast<std::size_t>(parameter->offset + i);
      largest = std::max(largest, std::abs(cpu.gradients[at]));
      difference = std::max(difference, std::abs(cuda.gradients[at] - cpu.gradients[at]));
    }
    EXPECT_GT(largest, 0) << name;
    EXPECT_LE(difference, 1e-4 * largest) << "gradient of " << name;
    worst = std::max(worst, difference / largest);
  }
  std::printf("losses differ by %.2g, gradients by at most %.2g of their largest element\n", std::abs(cuda.loss - cpu.loss), worst);
  ASSERT_EQ(cuda.running.size(), cpu.running.size());
  for (std::size_t i = 0; i < cpu.running.size(); ++i) EXPECT_NEAR(cuda.running[i], cpu.running[i], 1e-5 * (1 + std::abs(cpu.running[i]))) << i;
}

}  // namespace
}  // namespace sepia::test
