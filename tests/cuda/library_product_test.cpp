// When the library may compute a product: never before it has agreed with our own kernel. In the emulator a plain kernel stands for
// the library, right or wrong as SEPIA_CUDA_LIBRARIES says.
#include <cstdlib>

#include "tests/cuda/support/device_table.h"
#include "tests/support/op_cases_linear.h"

namespace sepia::test {
namespace {

class CudaLibraryProduct : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (!IsSkipped() && !cuda_under_test().simt) GTEST_SKIP() << "what stands for the library is in the emulator alone";
  }
  void TearDown() override {
    unsetenv("SEPIA_CUDA_LIBRARIES");
    CudaTest::TearDown();
  }
};

/// Cases whose three products all may go to the library; `rows` makes their shapes this test's own, as choices are remembered.
std::vector<LinearCase> plain_cases(std::int64_t rows) {
  std::vector<LinearCase> cases;
  for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
    LinearCase plain{str("linear ", rows, " rows ", describe(accumulate)), {rows, 24, 40}, PrologueKind::kNone, accumulate};
    plain.bias = false;
    cases.push_back(plain);
  }
  return cases;
}

/// Runs the cases in type T and compares with the reference; returns how often the library's kernel ran.
template <class T>
int library_runs(const std::vector<LinearCase>& cases) {
  const SimtControl& simt = *cuda_under_test().simt;
  simt.reset();
  simt.set_counting(1);
  expect_matches_reference<T>(cases, cuda_table<T>(), cuda_under_test().backend->memory);
  simt.set_counting(0);
  std::vector<SimtKernelCounters> counters(simt.counters(nullptr, 0));
  simt.counters(counters.data(), counters.size());
  int runs = 0;
  for (const SimtKernelCounters& c : counters) {
    if (std::string(c.kernel).find("plain_product") != std::string::npos) runs += static_cast<int>(c.launches);
  }
  return runs;
}

constexpr int kProductsPerCase = 3;  // forward, backward input, backward weight

TEST_F(CudaLibraryProduct, ALibraryThatAgreesServesTheShapeFromThenOn) {
  setenv("SEPIA_CUDA_LIBRARIES", "plain", 1);
  const auto cases = plain_cases(33);
  EXPECT_GT(library_runs<float>(cases), 0) << "each shape is compared once";
  // Forward ran twice in the first round already, once for each case: its shape is the same with and without adding.
  EXPECT_EQ(library_runs<float>(cases), kProductsPerCase * static_cast<int>(cases.size()));
}

TEST_F(CudaLibraryProduct, ALibraryThatDisagreesIsNeverUsed) {
  setenv("SEPIA_CUDA_LIBRARIES", "wrong", 1);
  const auto cases = plain_cases(35);
  library_runs<float>(cases);
  EXPECT_EQ(library_runs<float>(cases), 0);
}

TEST_F(CudaLibraryProduct, WithoutALibraryOrSwitchedOffOursDoesEverything) {
  EXPECT_EQ(library_runs<float>(plain_cases(37)), 0);
  setenv("SEPIA_CUDA_LIBRARIES", "off", 1);
  EXPECT_EQ(library_runs<float>(plain_cases(38)), 0);
}

TEST_F(CudaLibraryProduct, AProductWithABiasOrAnActivationIsOurs) {
  setenv("SEPIA_CUDA_LIBRARIES", "plain", 1);
  const LinearCase fused{"linear fused", {39, 24, 40}, PrologueKind::kAffineRelu};
  EXPECT_EQ(library_runs<float>({fused}), 0);
}

}  // namespace
}  // namespace sepia::test
