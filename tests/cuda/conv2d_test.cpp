// The dense convolution's kernels on a CUDA device.
#include "tests/cuda/support/device_table.h"
#include "tests/support/op_cases_conv2d.h"

namespace sepia::test {
namespace {

class CudaConv2d : public CudaTest {};

TEST_F(CudaConv2d, MatchesReferenceInFloat) {
  expect_cuda_matches_reference<float>(conv2d_cases());
}
TEST_F(CudaConv2d, MatchesReferenceInBf16) {
  expect_cuda_matches_reference<bf16>(conv2d_cases());
}

/// More than one tile each way: layers like the networks' first ones, on smaller pictures, so that tiles stick out on all sides.
std::vector<Conv2dCase> cases_of_many_tiles() {
  using kernels::Accumulate;
  return {
      {"conv2d like edgenet's stem", {2, 37, 135, 3, 32, 3, 3, 2, 1}, PrologueKind::kNone, Accumulate::kWrite},
      {"conv2d like simplenet's conv1", {2, 21, 75, 3, 6, 7, 7, 1, 0}, PrologueKind::kAffine, Accumulate::kAdd},
      {"conv2d like simplenet's conv2", {1, 27, 43, 6, 16, 7, 7, 1, 3}, PrologueKind::kAffineRelu, Accumulate::kWrite},
      {"conv2d like simplenet's conv3", {1, 17, 19, 16, 24, 7, 7, 1, 0}, PrologueKind::kRelu, Accumulate::kWrite},
      {"conv2d like xception's conv2", {1, 15, 17, 32, 64, 3, 3, 1, 0}, PrologueKind::kAffineRelu, Accumulate::kWrite, false},
      {"conv2d with a stride and many channels", {1, 14, 15, 24, 72, 3, 3, 2, 1}, PrologueKind::kRelu, Accumulate::kAdd},
  };
}
TEST_F(CudaConv2d, MatchesReferenceOverManyTilesInFloat) {
  expect_cuda_matches_reference<float>(cases_of_many_tiles());
}
TEST_F(CudaConv2d, MatchesReferenceOverManyTilesInBf16) {
  expect_cuda_matches_reference<bf16>(cases_of_many_tiles());
}

// The kernels for few channels start 396 blocks at most: with more tiles a block takes several, one after the other in the same shared
// memory. A picture of one position is a tile of its own.
TEST_F(CudaConv2d, ABlockOfFewChannelsTakesSeveralTiles) {
  expect_cuda_matches_reference<bf16>(std::vector<Conv2dCase>{{"conv2d of 400 tiles", {400, 3, 3, 3, 2, 3, 3, 1, 0}}});
}

/// The forward pass of one case, counted.
Traffic traffic_of(const Conv2dCase& op_case) {
  const CudaUnderTest& cuda = cuda_under_test();
  Workspace<bf16> w(cuda_table<bf16>(), cuda.backend->memory);
  const auto arguments = op_case.prepare(w, op_case.inputs());
  return count_traffic([&] {
    w.table.conv2d_forward(w.context, arguments.forward);
    cuda.backend->memory.synchronize(w.context);
  });
}

TEST_F(CudaConv2d, HasNoBankConflicts) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "counted by the emulator alone";
  EXPECT_EQ(traffic_of({"conv2d bank conflicts", {1, 18, 34, 32, 64, 3, 3, 1, 0}}).bank_conflicts, 0);
}

TEST_F(CudaConv2d, FewChannelsReadThePictureOnce) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "counted by the emulator alone";
  // 8 x 32 positions need (8 + 6) x (32 + 7) pixels: 2.2 times their number.
  const Conv2dCase op_case{"conv2d traffic", {1, 46, 70, 3, 6, 7, 7, 1, 0}, PrologueKind::kNone, kernels::Accumulate::kWrite, false};
  const double x_bytes = 2.0 * static_cast<double>(op_case.x_size()), y_bytes = 2.0 * static_cast<double>(op_case.y_size());
  const Traffic forward = traffic_of(op_case);
  EXPECT_EQ(forward.written, y_bytes);
  EXPECT_LT(forward.read, 2.3 * x_bytes + 20.0 * 2 * static_cast<double>(op_case.weight_size()));
}

}  // namespace
}  // namespace sepia::test
