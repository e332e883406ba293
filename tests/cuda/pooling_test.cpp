// Pooling on CUDA against the reference, and what it moves on layers of the networks.
#include "tests/cuda/support/device_table.h"
#include "tests/cuda/support/layer_traffic.h"
#include "tests/support/op_cases_pooling.h"

namespace sepia::test {
namespace {

using kernels::Accumulate;

class PoolingOnCuda : public CudaTest {};

template <class T>
void match_all() {
  expect_cuda_matches_reference<T>(max_pool_cases());
  expect_cuda_matches_reference<T>(max_pool_tie_cases());
  expect_cuda_matches_reference<T>(every(3, global_avg_pool_cases()));
}
TEST_F(PoolingOnCuda, MatchesReferenceInFloat) {
  match_all<float>();
}
TEST_F(PoolingOnCuda, MatchesReferenceInBfloat16) {
  match_all<bf16>();
}

/// Shapes that reach every seam of the fast paths: strips of 32 rows, several blocks beside each other, cut channel tiles, rows that
/// are staged.
std::vector<MaxPoolCase> seam_cases() {
  const kernels::MaxPoolShape shapes[] = {
      {1, 70, 6, 8, 3, 2, 1}, {2, 65, 5, 3, 3, 2, 1}, {1, 5, 67, 264, 3, 2, 1}, {2, 4, 70, 40, 3, 2, 1}, {1, 3, 40, 728, 3, 2, 1},
      {2, 7, 90, 6, 2, 2, 0}, {2, 5, 91, 6, 2, 2, 0}, {1, 6, 25, 24, 2, 2, 0},  {3, 5, 201, 5, 2, 2, 0}, {1, 5, 9, 264, 2, 2, 0},
  };
  std::vector<MaxPoolCase> cases;
  for (const auto& s : shapes) {
    for (const PrologueKind prologue : {PrologueKind::kNone, PrologueKind::kAffineRelu}) {
      for (const auto accumulate : {Accumulate::kWrite, Accumulate::kAdd}) {
        cases.push_back({str("max_pool seams n", s.batch, " ", s.height, "x", s.width, " c", s.channels, " k", s.kernel, " ",
                             describe(prologue), " ", describe(accumulate)),
                         s, prologue, accumulate, true});
      }
    }
  }
  return cases;
}
TEST_F(PoolingOnCuda, SeamsOfTheFastPathsInFloat) {
  expect_cuda_matches_reference<float>(seam_cases());
}
TEST_F(PoolingOnCuda, SeamsOfTheFastPathsInBfloat16) {
  expect_cuda_matches_reference<bf16>(seam_cases());
}

// NaN wins over all, the last of several; where a whole window is minus infinity its first pixel wins.
TEST_F(PoolingOnCuda, NaNAndInfinityWinAsInTheReference) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& shape :
       {kernels::MaxPoolShape{1, 8, 9, 8, 3, 2, 1}, {1, 8, 9, 8, 2, 2, 0}, {1, 8, 9, 8, 3, 1, 1}, {1, 8, 90, 6, 2, 2, 0}}) {
    const MaxPoolCase c{str("special values, kernel ", shape.kernel), shape};
    Arrays inputs = c.inputs();
    Array& x = inputs["x"];
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 7 == 0 ? nan : i % 3 == 0 ? x[i] : -infinity;
    const Arrays expected = run_case(c, inputs, *kernels::reference_backend().float64);
    const Arrays actual = run_case(c, inputs, cuda_table<float>(), cuda_under_test().backend->memory);
    for (const auto& [name, values] : expected) expect_near(actual.at(name), values, {0, 1e-5}, c.name + " " + name);
  }
}

struct Layer {
  const char* name;
  kernels::MaxPoolShape shape;
  PrologueKind prologue;
};
const Layer kLayers[] = {
    {"simplenet pool1", {1, 250, 250, 6, 2, 2, 0}, PrologueKind::kRelu},
    {"simplenet pool2", {1, 119, 119, 16, 2, 2, 0}, PrologueKind::kRelu},
    {"simplenet pool3", {1, 53, 53, 24, 2, 2, 0}, PrologueKind::kRelu},
    {"xception block 1", {1, 125, 125, 128, 3, 2, 1}, PrologueKind::kAffine},
    {"xception block 2", {1, 63, 63, 256, 3, 2, 1}, PrologueKind::kAffine},
    {"xception block 3", {1, 32, 32, 728, 3, 2, 1}, PrologueKind::kAffine},
    {"xception block 12", {1, 16, 16, 1024, 3, 2, 1}, PrologueKind::kAffine},
};

template <class T>
void max_pool_traffic(const Layer& layer) {
  const MaxPoolCase c{layer.name, layer.shape, layer.prologue};
  const auto& s = layer.shape;
  // The odd last row or column of a layer without padding belongs to no window, so that it need not be read.
  const double pixels = static_cast<double>(s.padding == 0 ? s.batch * 4 * s.out_height() * s.out_width() * s.channels : c.x_size());
  const double x = pixels * sizeof(T), all_x = static_cast<double>(c.x_size()) * sizeof(T), y = static_cast<double>(c.y_size()) * sizeof(T);
  const double index = static_cast<double>(c.y_size()), numbers = has_affine(layer.prologue) ? 8.0 * static_cast<double>(s.channels) : 0;
  const bool relu = has_relu(layer.prologue);
  Workspace<T> w(cuda_table<T>(), cuda_under_test().backend->memory);
  const auto arguments = c.prepare(w, c.inputs());
  // Staged rows are read with gaps (docs/kernels.md): two-way conflicts on floats, some on bf16 where rows meet.
  const bool staged = s.channels == 6 || (s.channels == 24 && sizeof(T) == 2);
  const double forward_conflicts = !staged ? 1.0 / 16 : sizeof(T) == 4 ? 8 : 1, backward_conflicts = staged ? 2 : 1.0 / 16;
  expect_streams(
      str(layer.name, " forward"), x + numbers, y + index, [&] { w.table.max_pool_forward(w.context, arguments.forward); }, "",
      forward_conflicts);
  expect_streams(
      str(layer.name, " backward"), (relu ? 2 : 1) * y + index, all_x, [&] { w.table.max_pool_backward(w.context, arguments.backward); },
      "", backward_conflicts);
}
TEST_F(PoolingOnCuda, MaxPoolMovesHardlyMoreThanTheLeast) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "the emulator counts";
  for (const Layer& layer : kLayers) {
    SCOPED_TRACE("float");
    max_pool_traffic<float>(layer);
  }
  for (const Layer& layer : kLayers) {
    SCOPED_TRACE("bf16");
    max_pool_traffic<bf16>(layer);
  }
}

template <class T>
void average_traffic() {
  for (const auto& [name, positions, channels] : {std::tuple{"edgenet average", 256, 256}, {"xception average", 64, 2048}}) {
    const GlobalAvgPoolCase c{name, 1, positions, channels, PrologueKind::kAffineRelu, Accumulate::kWrite};
    const double x = static_cast<double>(positions * channels) * sizeof(T), y = static_cast<double>(channels) * sizeof(T),
                 numbers = 8.0 * channels;
    const auto run = [&] { run_case(c, c.inputs(), cuda_table<T>(), cuda_under_test().backend->memory); };
    expect_streams(str(name, " forward"), x + numbers, y, run, "global_avg_pool_forward");
    expect_streams(str(name, " backward"), x + y + numbers, x, run, "global_avg_pool_backward");
  }
}
TEST_F(PoolingOnCuda, AverageMovesHardlyMoreThanTheLeast) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "the emulator counts";
  average_traffic<float>();
  average_traffic<bf16>();
}

}  // namespace
}  // namespace sepia::test
