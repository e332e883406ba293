// Softmax and cross-entropy on CUDA against the reference.
#include "tests/cuda/support/device_table.h"
#include "tests/support/op_cases_cross_entropy.h"

namespace sepia::test {
namespace {

class CrossEntropyOnCuda : public CudaTest {};

template <class T>
void match_all() {
  expect_cuda_matches_reference<T>(softmax_cases());
  expect_cuda_matches_reference<T>(cross_entropy_cases());
}
TEST_F(CrossEntropyOnCuda, MatchesReferenceInFloat) {
  match_all<float>();
}
TEST_F(CrossEntropyOnCuda, MatchesReferenceInBfloat16) {
  match_all<bf16>();
}

// A class with probability zero that nobody asks for leaves the loss finite; one that is the label makes it infinite.
TEST_F(CrossEntropyOnCuda, InfiniteLogits) {
  const double infinity = std::numeric_limits<double>::infinity();
  const CrossEntropyCase two{"two classes", 1, 2};
  const auto loss = [&](double label) {
    const Arrays inputs{{"logits", {1, -infinity}}, {"labels", {label}}, {"grad_y", {1}}};
    return run_case(two, inputs, cuda_table<float>(), cuda_under_test().backend->memory).at("loss")[0];
  };
  EXPECT_EQ(loss(0), 0);
  EXPECT_EQ(loss(1), infinity);
}

// More rows than the block has warps, many times over.
TEST_F(CrossEntropyOnCuda, ManyRows) {
  expect_cuda_matches_reference<float>(std::vector<CrossEntropyCase>{{"cross_entropy 300x2", 300, 2, true, 0.1}});
  expect_cuda_matches_reference<float>(std::vector<SoftmaxCase>{{"softmax 300x2", 300, 2}});
}

}  // namespace
}  // namespace sepia::test
