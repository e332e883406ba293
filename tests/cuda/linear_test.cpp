// The linear map's kernels on a CUDA device.
#include "tests/cuda/support/device_table.h"
#include "tests/support/op_cases_linear.h"

namespace sepia::test {
namespace {

class CudaLinear : public CudaTest {};

TEST_F(CudaLinear, MatchesReferenceInFloat) {
  expect_cuda_matches_reference<float>(linear_cases());
}
TEST_F(CudaLinear, MatchesReferenceInBf16) {
  expect_cuda_matches_reference<bf16>(linear_cases());
}

/// Enough rows for the large tile and enough depth for several parts, with edges that no tile divides; the layers' own depths.
std::vector<LinearCase> cases_of_many_tiles() {
  using kernels::Accumulate;
  return {
      {"linear of large tiles", {8400, 16, 136}, PrologueKind::kNone, Accumulate::kWrite},
      {"linear of large tiles, prologue", {16900, 24, 72}, PrologueKind::kAffineRelu, Accumulate::kWrite},
      {"linear of large tiles backward", {16900, 72, 8}, PrologueKind::kAffineRelu, Accumulate::kAdd, false},
      {"linear like simplenet's fc1", {3, 4104, 136}, PrologueKind::kRelu, Accumulate::kWrite},
      {"linear like xception's middle flow", {70, 728, 728}, PrologueKind::kNone, Accumulate::kWrite, false},
      {"linear like xception's middle flow, prologue", {70, 728, 152}, PrologueKind::kAffineRelu, Accumulate::kAdd},
  };
}
TEST_F(CudaLinear, MatchesReferenceOverManyTilesInFloat) {
  expect_cuda_matches_reference<float>(cases_of_many_tiles());
}
TEST_F(CudaLinear, MatchesReferenceOverManyTilesInBf16) {
  expect_cuda_matches_reference<bf16>(cases_of_many_tiles());
}

template <class T>
void expect_clean_traffic(const LinearCase& op_case) {
  const CudaUnderTest& cuda = cuda_under_test();
  Workspace<T> w(cuda_table<T>(), cuda.backend->memory);
  const auto arguments = op_case.prepare(w, op_case.inputs());
  const auto check = [&](const char* what, const auto& kernel, const auto& argument) {
    SCOPED_TRACE(str(op_case.name, " ", what));
    const Traffic traffic = count_traffic([&] {
      kernel(w.context, argument);
      cuda.backend->memory.synchronize(w.context);
    });
    EXPECT_EQ(traffic.bank_conflicts, 0);
    EXPECT_GE(traffic.sectors_used(), 0.95);
  };
  check("forward", w.table.linear_forward, arguments.forward);
  check("backward input", w.table.linear_backward_input, arguments.backward_input);
  check("backward weight", w.table.linear_backward_weight, arguments.backward_weight);
}

TEST_F(CudaLinear, HasNoBankConflictsAndUsesWholeSectors) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "counted by the emulator alone";
  for (const kernels::LinearShape& shape :
       {kernels::LinearShape{512, 64, 128}, kernels::LinearShape{512, 64, 64}, kernels::LinearShape{256, 128, 32}}) {
    const LinearCase op_case{str("linear ", shape.in_features, "->", shape.out_features), shape};
    expect_clean_traffic<float>(op_case);
    expect_clean_traffic<bf16>(op_case);
  }
}

}  // namespace
}  // namespace sepia::test
