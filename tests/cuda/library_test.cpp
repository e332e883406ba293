// When a library may compute what a kernel of ours computes: never before it has agreed with it. In the emulator plain kernels stand
// for cuBLASLt and cuDNN, right or wrong in the way that SEPIA_CUDA_LIBRARIES names.
#include <cstdlib>

#include "tests/cuda/support/device_table.h"
#include "tests/support/op_cases_conv2d.h"
#include "tests/support/op_cases_linear.h"

namespace sepia::test {
namespace {

/// What each test asks of both libraries. cases() are all that a library may compute; `number` makes their shapes a test's own, as
/// choices are remembered. fused() is a case that has something in each part that a library is not asked for.
struct Products {
  using Case = LinearCase;
  static constexpr const char* kKernel = "plain_product";
  static Case plain(std::int64_t number, kernels::Accumulate accumulate) {
    return {str("linear ", number, " rows ", describe(accumulate)), {number, 24, 40}, PrologueKind::kNone, accumulate, false};
  }
  static Case fused(std::int64_t number) { return {"linear fused", {number, 24, 40}, PrologueKind::kAffineRelu}; }
  static void forward(Workspace<float>& w, const Case::Arguments<float>& a) { w.table.linear_forward(w.context, a.forward); }
};
struct Convolutions {
  using Case = Conv2dCase;
  static constexpr const char* kKernel = "plain_convolution";
  static kernels::Conv2dShape shape(std::int64_t number) { return {2, number % 7 + 3, number, 3, 5, 3, 2, 2, 1}; }
  static Case plain(std::int64_t number, kernels::Accumulate accumulate) {
    return {str("conv2d ", number, " wide ", describe(accumulate)), shape(number), PrologueKind::kNone, accumulate, false};
  }
  static Case fused(std::int64_t number) { return {"conv2d fused", shape(number), PrologueKind::kAffineRelu}; }
  static void forward(Workspace<float>& w, const Case::Arguments<float>& a) { w.table.conv2d_forward(w.context, a.forward); }
};

template <class Work>
class CudaLibrary : public CudaTest {
 protected:
  using Case = typename Work::Case;

  void SetUp() override {
    CudaTest::SetUp();
    if (!this->IsSkipped() && !cuda_under_test().simt) GTEST_SKIP() << "what stands for the libraries is in the emulator alone";
  }
  void TearDown() override {
    unsetenv("SEPIA_CUDA_LIBRARIES");
    CudaTest::TearDown();
  }

  static void library_is(const char* setting) { setenv("SEPIA_CUDA_LIBRARIES", setting, 1); }
  static std::vector<Case> cases(std::int64_t number) {
    return {Work::plain(number, kernels::Accumulate::kWrite), Work::plain(number, kernels::Accumulate::kAdd)};
  }

  /// How often the library's kernel ran while `run` did.
  static int runs_in(const std::function<void()>& run) {
    const SimtControl& simt = *cuda_under_test().simt;
    simt.reset();
    simt.set_counting(1);
    run();
    simt.set_counting(0);
    std::vector<SimtKernelCounters> counters(simt.counters(nullptr, 0));
    simt.counters(counters.data(), counters.size());
    int runs = 0;
    for (const SimtKernelCounters& c : counters) {
      if (std::string(c.kernel).find(Work::kKernel) != std::string::npos) runs += static_cast<int>(c.launches);
    }
    return runs;
  }
  /// The same for the cases in type T, whose results must be right.
  template <class T>
  static int library_runs(const std::vector<Case>& cases) {
    return runs_in([&] { expect_matches_reference<T>(cases, cuda_table<T>(), cuda_under_test().backend->memory); });
  }
  static Arrays results(const Case& op_case, const Arrays& inputs) {
    return run_case(op_case, inputs, cuda_table<float>(), cuda_under_test().backend->memory);
  }
};

constexpr int kParts = 3;            // forward, backward input, backward weight
constexpr int kPartsOfCases = 6;     // of the two cases
constexpr int kWrittenOfCases = 4;   // forward has nothing to add to

using Works = ::testing::Types<Products, Convolutions>;
class WorkNames {
 public:
  template <class Work>
  static std::string GetName(int) { return std::is_same_v<Work, Products> ? "Products" : "Convolutions"; }
};
TYPED_TEST_SUITE(CudaLibrary, Works, WorkNames);

TYPED_TEST(CudaLibrary, OneThatAgreesServesTheShapeFromThenOn) {
  this->library_is("plain");
  const auto cases = this->cases(33);
  EXPECT_GT(this->template library_runs<float>(cases), kPartsOfCases) << "each part is compared once before";
  EXPECT_EQ(this->template library_runs<float>(cases), kPartsOfCases);
}

TYPED_TEST(CudaLibrary, ShapesAreJudgedInEachTypeByItself) {
  this->library_is("plain");
  const auto cases = this->cases(34);
  EXPECT_GT(this->template library_runs<bf16>(cases), kPartsOfCases);
  EXPECT_EQ(this->template library_runs<bf16>(cases), kPartsOfCases);
  this->library_is("wrong");
  this->template library_runs<float>(cases);
  EXPECT_EQ(this->template library_runs<float>(cases), 0);
}

TYPED_TEST(CudaLibrary, OneThatComputesSomethingElseIsNeverUsed) {
  this->library_is("wrong");
  for (const bool first : {true, false}) {
    const int in_float = this->template library_runs<float>(this->cases(35)), in_bf16 = this->template library_runs<bf16>(this->cases(35));
    EXPECT_EQ(in_float, first ? kPartsOfCases - 1 : 0) << "once for each kind of work";
    EXPECT_EQ(in_bf16, first ? kPartsOfCases - 1 : 0);
  }
}

TYPED_TEST(CudaLibrary, OneThatForgetsTheLastElementIsNeverUsed) {
  this->library_is("unfinished");
  const auto cases = this->cases(36);
  this->template library_runs<float>(cases);
  EXPECT_EQ(this->template library_runs<float>(cases), 0);
}

TYPED_TEST(CudaLibrary, OneThatOverwritesIsUsedOnlyWhereNothingIsAddedTo) {
  this->library_is("overwrites");
  const auto cases = this->cases(37);
  this->template library_runs<float>(cases);
  EXPECT_EQ(this->template library_runs<float>(cases), kWrittenOfCases);
}

TYPED_TEST(CudaLibrary, OneThatAddsToWhatItShouldOverwriteIsUsedOnlyForAdding) {
  this->library_is("gathers");
  const auto cases = this->cases(45);
  this->template library_runs<float>(cases);
  EXPECT_EQ(this->template library_runs<float>(cases), kPartsOfCases - kWrittenOfCases);
}

TYPED_TEST(CudaLibrary, OneThatRoundsAsTf32DoesIsRefusedInFloatAlone) {
  this->library_is("tf32");
  const auto cases = this->cases(46);
  this->template library_runs<float>(cases);
  EXPECT_EQ(this->template library_runs<float>(cases), 0);
  this->template library_runs<bf16>(cases);
  EXPECT_EQ(this->template library_runs<bf16>(cases), kPartsOfCases);
}

TYPED_TEST(CudaLibrary, WhatIsAddedIsJudgedHoweverSmall) {
  this->library_is("wrong");
  const auto op_case = TypeParam::plain(47, kernels::Accumulate::kAdd);
  Arrays small = op_case.inputs();
  for (auto& [name, values] : small) {
    for (double& value : values) value /= 1 << 16;
  }
  this->results(op_case, small);
  EXPECT_EQ(this->template library_runs<float>({op_case}), 0);
}

TYPED_TEST(CudaLibrary, OneThatDoesNotKnowTheShapeLeavesItToOurs) {
  this->library_is("refuses");
  EXPECT_EQ(this->template library_runs<float>(this->cases(38)), 0);
  EXPECT_EQ(this->template library_runs<float>(this->cases(38)), 0);
}

TYPED_TEST(CudaLibrary, WithoutOneOrSwitchedOffOursDoesEverything) {
  EXPECT_EQ(this->template library_runs<float>(this->cases(39)), 0);
  this->library_is("off");
  EXPECT_EQ(this->template library_runs<float>(this->cases(40)), 0);
}

TYPED_TEST(CudaLibrary, WorkWithABiasOrAnActivationIsOurs) {
  this->library_is("plain");
  EXPECT_EQ(this->template library_runs<float>({TypeParam::fused(41)}), 0);
}

TYPED_TEST(CudaLibrary, TheFirstResultHasTheBitsOfAllLaterOnes) {
  const auto op_case = TypeParam::plain(42, kernels::Accumulate::kAdd);
  const Arrays inputs = op_case.inputs();
  const Arrays ours = this->results(op_case, inputs);
  this->library_is("close");
  const Arrays first = this->results(op_case, inputs);
  for (const auto& [name, values] : this->results(op_case, inputs)) {
    EXPECT_EQ(values, first.at(name)) << name;
    EXPECT_NE(values, ours.at(name)) << name << ": nothing shows whose it is";
  }
}

TYPED_TEST(CudaLibrary, AResultOfZerosProvesNothing) {
  this->library_is("wrong");
  const auto op_case = TypeParam::plain(43, kernels::Accumulate::kWrite);
  Arrays zeros = op_case.inputs();
  for (auto& [name, values] : zeros) std::fill(values.begin(), values.end(), 0.0);
  this->results(op_case, zeros);  // of which 1.5 times is the same
  EXPECT_EQ(this->template library_runs<float>({op_case}), 0);
}

TYPED_TEST(CudaLibrary, AGraphHoldsTheLibraryOnlyWhereItWasChosenBefore) {
  this->library_is("plain");
  const kernels::Backend& backend = *cuda_under_test().backend;
  const auto op_case = TypeParam::plain(44, kernels::Accumulate::kWrite);
  const Arrays inputs = op_case.inputs();
  const Array expected = run_case(op_case, inputs, *kernels::reference_backend().float64).at("y");
  const auto record_and_play = [&] {
    Workspace<float> workspace(cuda_table<float>(), backend.memory);
    const auto arguments = op_case.prepare(workspace, inputs);
    backend.graph->begin_capture({});
    TypeParam::forward(workspace, arguments);
    void* graph = backend.graph->end_capture({});
    backend.graph->launch({}, graph);
    expect_near(workspace.download(arguments.forward.y), expected, tolerance<float>(op_case.terms("y"), expected), "y");
    backend.graph->release(graph);
  };
  EXPECT_EQ(this->runs_in(record_and_play), 0) << "nothing can be compared while a graph is recorded";
  this->results(op_case, inputs);
  EXPECT_EQ(this->runs_in(record_and_play), 1);
}

}  // namespace
}  // namespace sepia::test
