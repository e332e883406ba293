// The dense convolution's kernels on a CUDA device.
#include "tests/cuda/support/device_table.h"
#include "tests/support/op_cases_conv2d.h"

namespace sepia::test {
namespace {

class CudaConv2d : public CudaTest {};

TEST_F(CudaConv2d, MatchesReferenceInFloat) { expect_cuda_matches_reference<float>(conv2d_cases()); }
TEST_F(CudaConv2d, MatchesReferenceInBf16) { expect_cuda_matches_reference<bf16>(conv2d_cases()); }

}  // namespace
}  // namespace sepia::test
