// The linear map's kernels on a CUDA device.
#include "tests/cuda/support/device_table.h"
#include "tests/support/op_cases_linear.h"

namespace sepia::test {
namespace {

class CudaLinear : public CudaTest {};

TEST_F(CudaLinear, MatchesReferenceInFloat) { expect_cuda_matches_reference<float>(linear_cases()); }
TEST_F(CudaLinear, MatchesReferenceInBf16) { expect_cuda_matches_reference<bf16>(linear_cases()); }

}  // namespace
}  // namespace sepia::test
