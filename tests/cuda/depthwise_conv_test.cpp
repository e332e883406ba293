// The depthwise convolution's kernels on a CUDA device: against the reference, and how many bytes they move.
#include "tests/support/op_cases_depthwise_conv.h"

#include "tests/cuda/support/device_table.h"

namespace sepia::test {
namespace {

class CudaDepthwiseConv : public CudaTest {};

TEST_F(CudaDepthwiseConv, MatchesReferenceInFloat) {
  expect_cuda_matches_reference<float>(depthwise_conv_cases());
}
TEST_F(CudaDepthwiseConv, MatchesReferenceInBf16) {
  expect_cuda_matches_reference<bf16>(depthwise_conv_cases());
}

/// Shapes that cut images into several tiles and strips, with odd sizes at every border.
std::vector<DepthwiseConvCase> tiled_cases() {
  constexpr kernels::DepthwiseConvShape kShapes[] = {
      {1, 75, 131, 8, 3, 3, 1, 1},                               // fp32: one tile of 2 chunks; several strips
      {1, 9, 133, 40, 3, 3, 1, 1},                               // several tiles of columns, the last narrower
      {1, 67, 70, 72, 3, 3, 2, 1},                               // the last channel tile is narrower
      {2, 33, 63, 32, 3, 3, 2, 1}, {1, 4, 21, 248, 3, 3, 1, 1},  // bf16: an odd number of chunks, so one wide tile
      {1, 5, 19, 200, 3, 3, 2, 1},
  };
  std::vector<DepthwiseConvCase> cases;
  for (const auto& s : kShapes) {
    for (const auto accumulate : {kernels::Accumulate::kWrite, kernels::Accumulate::kAdd}) {
      const std::string name = str("depthwise tiled ", s.height, "x", s.width, " c", s.channels, " s", s.stride, " ", describe(accumulate));
      cases.push_back({name, s, PrologueKind::kAffineRelu, accumulate});
    }
  }
  return cases;
}

TEST_F(CudaDepthwiseConv, TilesMeetWithoutASeam) {
  expect_cuda_matches_reference<float>(tiled_cases());
  expect_cuda_matches_reference<bf16>(tiled_cases());
}

// NaN in one pixel reaches the nine outputs around it, gradients where it is read, and nothing else; a ReLU lets NaN pass.
TEST_F(CudaDepthwiseConv, NanStaysInItsNeighbourhood) {
  const DepthwiseConvCase op_case{"nan", {1, 6, 7, 8, 3, 3, 1, 1}, PrologueKind::kRelu};
  Arrays inputs = op_case.inputs();
  const std::int64_t pixel = 2 * 7 + 3;
  inputs["x"][pixel * 8 + 5] = NAN;
  const Arrays expected = run_case(op_case, inputs, *kernels::reference_backend().float64);
  const Arrays actual = run_case(op_case, inputs, cuda_table<float>(), cuda_under_test().backend->memory);
  for (const auto& [name, values] : expected) expect_near(actual.at(name), values, tolerance<float>(40, {}), name);
  EXPECT_EQ(std::count_if(actual.at("y").begin(), actual.at("y").end(), [](double v) { return std::isnan(v); }), 9);
}

/// Layers of edgenet and xception, one picture.
std::vector<DepthwiseConvCase> layers() {
  const auto layer = [](std::int64_t size, std::int64_t channels, std::int64_t stride, bool bias) {
    return DepthwiseConvCase{str(size, "x", size, "x", channels, " s", stride),
                             {1, size, size, channels, 3, 3, stride, 1},
                             PrologueKind::kAffineRelu,
                             kernels::Accumulate::kWrite,
                             bias};
  };
  return {layer(128, 32, 2, true),   layer(64, 64, 2, true),   layer(32, 128, 2, true),  layer(125, 64, 1, false),
          layer(125, 128, 1, false), layer(63, 128, 1, false), layer(63, 256, 1, false), layer(32, 256, 1, false),
          layer(32, 728, 1, false),  layer(16, 728, 1, false), layer(8, 1024, 1, false), layer(8, 1536, 1, false)};
}

template <class T>
class CudaDepthwiseConvTraffic : public CudaTest {};
using Types = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(CudaDepthwiseConvTraffic, Types);

void expect_lean(const Traffic& traffic, double least, const std::string& what) {
  EXPECT_LE(traffic.moved(), 1.05 * least) << what << " moves " << 100 * traffic.moved() / least << "% of the least possible";
  EXPECT_GE(traffic.sectors_used(), 0.95) << what;
  // None while rows are moved and computed. Tiles of 56 or 184 channels have a few at the start, where threads fetch their filters.
  EXPECT_LE(traffic.bank_conflicts, 0.02 * traffic.shared_wavefronts) << what;
}

TYPED_TEST(CudaDepthwiseConvTraffic, EveryRealLayerIsReadOnce) {
  const CudaUnderTest& cuda = cuda_under_test();
  if (!cuda.simt) GTEST_SKIP() << "traffic is counted by the emulator";
  for (const DepthwiseConvCase& layer : layers()) {
    Workspace<TypeParam> w(cuda_table<TypeParam>(), cuda.backend->memory);
    const auto arguments = layer.prepare(w, layer.inputs());
    const auto count = [&](auto kernel, const auto& a, const char* name) {
      return count_traffic(
          [&] {
            kernel(w.context, a);
            cuda.backend->memory.synchronize(w.context);
          },
          name);
    };
    const double size = sizeof(TypeParam), per_channel = static_cast<double>(layer.shape.channels * sizeof(float));
    const double x = size * static_cast<double>(layer.x_size()), y = size * static_cast<double>(layer.y_size());
    const double weight = size * static_cast<double>(layer.weight_size());
    const double forward_parameters = weight + (layer.bias ? 3 : 2) * per_channel;
    expect_lean(count(w.table.depthwise_conv_forward, arguments.forward, "forward"), x + y + forward_parameters, layer.name + " forward");
    // Written: grad_x, and the sums of nine taps and the bias.
    expect_lean(count(w.table.depthwise_conv_backward, arguments.backward, "backward"),
                2 * x + y + weight + 2 * per_channel + 10 * per_channel, layer.name + " backward");
  }
}

}  // namespace
}  // namespace sepia::test
