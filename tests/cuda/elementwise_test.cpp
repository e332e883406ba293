// The element-wise CUDA kernels against the reference, and what they move on layers of the networks.
#include "tests/cuda/support/device_table.h"
#include "tests/cuda/support/layer_traffic.h"
#include "tests/support/op_cases_elementwise.h"

namespace sepia::test {
namespace {

using kernels::Accumulate;

class ElementwiseOnCuda : public CudaTest {};

template <class T>
void match_all() {
  expect_cuda_matches_reference<T>(affine_relu_cases());
  expect_cuda_matches_reference<T>(every(3, add_cases()));
  expect_cuda_matches_reference<T>(accumulate_into_cases());
  expect_cuda_matches_reference<T>(images_to_input_cases());
  expect_cuda_matches_reference<T>(images_to_residual_cases());
}
TEST_F(ElementwiseOnCuda, MatchesReferenceInFloat) {
  match_all<float>();
}
TEST_F(ElementwiseOnCuda, MatchesReferenceInBfloat16) {
  match_all<bf16>();
}

// Slices that begin off a 16-byte border, all by the same amount and by different ones.
template <class T>
void accumulate_slices() {
  const std::int64_t count = 1003;
  Array source(count), before(count);
  for (std::int64_t i = 0; i < count; ++i) source[i] = static_cast<double>(i % 50), before[i] = static_cast<double>(i % 7);
  for (const auto& [from, to] : {std::pair{1, 1}, {3, 3}, {1, 2}, {0, 5}}) {
    Workspace<T> w(cuda_table<T>(), cuda_under_test().backend->memory);
    T* x = w.upload(source);
    T* y = w.upload(before);
    const std::int64_t length = 990;
    w.table.accumulate_into(w.context, {length, x + from, y + to, Accumulate::kAdd});
    Array expected = before;
    for (std::int64_t i = 0; i < length; ++i) expected[to + i] += source[from + i];
    EXPECT_EQ(w.download(y), expected) << "from " << from << " to " << to;
  }
}
TEST_F(ElementwiseOnCuda, AddsSlicesThatBeginAnywhere) {
  accumulate_slices<float>();
  accumulate_slices<bf16>();
}

// {rows, channels, prologue}: activations of one picture that a batch norm or a ReLU is pending on.
struct Layer {
  const char* name;
  std::int64_t rows, channels;
  PrologueKind prologue;
};
const Layer kLayers[] = {
    {"simplenet conv1", 250 * 250, 6, PrologueKind::kRelu},       {"simplenet conv3", 53 * 53, 24, PrologueKind::kRelu},
    {"edgenet stem", 128 * 128, 32, PrologueKind::kRelu},         {"edgenet block 0", 64 * 64, 64, PrologueKind::kAffineRelu},
    {"edgenet block 2", 16 * 16, 256, PrologueKind::kAffineRelu}, {"xception entry", 125 * 125, 64, PrologueKind::kAffineRelu},
    {"xception middle", 16 * 16, 728, PrologueKind::kAffineRelu}, {"xception exit", 8 * 8, 2048, PrologueKind::kAffineRelu},
};

template <class T>
void forward_traffic(const Layer& layer) {
  const double elements = static_cast<double>(layer.rows * layer.channels), size = sizeof(T);
  const double numbers = has_affine(layer.prologue) ? 8.0 * static_cast<double>(layer.channels) : 0;
  const AffineReluCase relu{layer.name, layer.rows, layer.channels, layer.prologue, Accumulate::kWrite};
  expect_streams(
      str(layer.name, " forward"), elements * size + numbers, elements * size,
      [&] {
        Workspace<T> w(cuda_table<T>(), cuda_under_test().backend->memory);
        relu.forward(w, relu.inputs());
      },
      "affine_relu_forward");
  expect_streams(
      str(layer.name, " backward"), 2 * elements * size + numbers, elements * size,
      [&] { run_case(relu, relu.inputs(), cuda_table<T>(), cuda_under_test().backend->memory); }, "affine_relu_backward");
  const AddCase add{layer.name, layer.rows, layer.channels, layer.prologue, layer.prologue};
  expect_streams(
      str(layer.name, " add"), 2 * elements * size + 2 * numbers, elements * size,
      [&] { run_case(add, add.inputs(), cuda_table<T>(), cuda_under_test().backend->memory); }, "add_forward");
}
TEST_F(ElementwiseOnCuda, MovesHardlyMoreThanTheLeast) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "the emulator counts";
  for (const Layer& layer : kLayers) {
    forward_traffic<float>(layer);
    forward_traffic<bf16>(layer);
  }
}

template <class T>
void image_traffic() {
  const ImagesToInputCase images{"images", 1, 256, 256, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
  const double elements = 256 * 256 * 3;
  expect_streams(
      "images", elements, elements * sizeof(T),
      [&] { run_case(images, images.inputs(), cuda_table<T>(), cuda_under_test().backend->memory); }, "images_to_input");
  // Cut and mirrored: only what lies inside the window need be read, and the picture's corner and side.
  const ImagesToInputCase cut{"cut images", 1, 256, 256, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, 0, 0, true, true};
  const Arrays inputs = cut.inputs();
  const double inside = 3 * (256 - std::abs(inputs.at("crop_y")[0])) * (256 - std::abs(inputs.at("crop_x")[0]));
  expect_streams(
      "images, cut", inside + 9, elements * sizeof(T), [&] { run_case(cut, inputs, cuda_table<T>(), cuda_under_test().backend->memory); },
      "images_to_input", 6);  // a mirrored warp's bytes lie in 33 words, so that two of them meet in a bank
  const AccumulateIntoCase sum{"gradient", 100'000, Accumulate::kAdd};
  expect_streams(
      "accumulate", 2e5 * sizeof(T), 1e5 * sizeof(T),
      [&] { run_case(sum, sum.inputs(), cuda_table<T>(), cuda_under_test().backend->memory); }, "accumulate_into");
}
TEST_F(ElementwiseOnCuda, ImagesAndSumsMoveHardlyMoreThanTheLeast) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "the emulator counts";
  image_traffic<float>();
  image_traffic<bf16>();
}

}  // namespace
}  // namespace sepia::test
