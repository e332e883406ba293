#include "bench/cuda/layers.h"

#include "tests/support/op_cases_batch_norm.h"
#include "tests/support/op_cases_conv2d.h"
#include "tests/support/op_cases_cross_entropy.h"
#include "tests/support/op_cases_depthwise_conv.h"
#include "tests/support/op_cases_elementwise.h"
#include "tests/support/op_cases_linear.h"
#include "tests/support/op_cases_optimizer.h"
#include "tests/support/op_cases_pooling.h"

namespace sepia::bench {
namespace {

using namespace test;
constexpr auto kWrite = kernels::Accumulate::kWrite;
constexpr auto kAdd = kernels::Accumulate::kAdd;
constexpr auto kPlain = PrologueKind::kNone;
constexpr auto kRelu = PrologueKind::kRelu;
constexpr auto kAffineRelu = PrologueKind::kAffineRelu;

// Each list gives the layers with the prologue that they have in the network, for a batch of n pictures. Backward kernels write, as
// most do; the sums of xception's branches are its add and accumulate.

std::vector<Conv2dCase> convolutions(std::int64_t n) {
  return {{"edgenet stem", {n, 256, 256, 3, 32, 3, 3, 2, 1}},
          {"simplenet conv1", {n, 256, 256, 3, 6, 7, 7, 1, 0}},
          {"simplenet conv2", {n, 125, 125, 6, 16, 7, 7, 1, 0}},
          {"simplenet conv3", {n, 59, 59, 16, 24, 7, 7, 1, 0}},
          {"xception conv1", {n, 256, 256, 3, 32, 3, 3, 2, 0}, kPlain, kWrite, false},
          {"xception conv2", {n, 127, 127, 32, 64, 3, 3, 1, 0}, kAffineRelu, kWrite, false},
          {"xception block1 skip", {n, 125, 125, 64, 128, 1, 1, 2, 0}, kAffineRelu, kWrite, false},
          {"xception block2 skip", {n, 63, 63, 128, 256, 1, 1, 2, 0}, kPlain, kWrite, false},
          {"xception block3 skip", {n, 32, 32, 256, 728, 1, 1, 2, 0}, kPlain, kWrite, false},
          {"xception block12 skip", {n, 16, 16, 728, 1024, 1, 1, 2, 0}, kPlain, kWrite, false}};
}

std::vector<DepthwiseConvCase> depthwise_convolutions(std::int64_t n) {
  return {{"edgenet blocks.0", {n, 128, 128, 32, 3, 3, 2, 1}, kRelu},
          {"edgenet blocks.1", {n, 64, 64, 64, 3, 3, 2, 1}, kAffineRelu},
          {"edgenet blocks.2", {n, 32, 32, 128, 3, 3, 2, 1}, kAffineRelu},
          {"xception block1.1", {n, 125, 125, 64, 3, 3, 1, 1}, kAffineRelu, kWrite, false},
          {"xception block1.2", {n, 125, 125, 128, 3, 3, 1, 1}, kAffineRelu, kWrite, false},
          {"xception block2.1", {n, 63, 63, 128, 3, 3, 1, 1}, kRelu, kWrite, false},
          {"xception block2.2", {n, 63, 63, 256, 3, 3, 1, 1}, kAffineRelu, kWrite, false},
          {"xception block3.1", {n, 32, 32, 256, 3, 3, 1, 1}, kRelu, kWrite, false},
          {"xception block3.2", {n, 32, 32, 728, 3, 3, 1, 1}, kAffineRelu, kWrite, false},
          {"xception middle", {n, 16, 16, 728, 3, 3, 1, 1}, kAffineRelu, kWrite, false},
          {"xception conv3", {n, 8, 8, 1024, 3, 3, 1, 1}, kPlain, kWrite, false},
          {"xception conv4", {n, 8, 8, 1536, 3, 3, 1, 1}, kAffineRelu, kWrite, false}};
}

std::vector<LinearCase> linear_maps(std::int64_t n) {
  return {{"edgenet blocks.0 pointwise", {n * 64 * 64, 32, 64}},
          {"edgenet blocks.1 pointwise", {n * 32 * 32, 64, 128}},
          {"edgenet blocks.2 pointwise", {n * 16 * 16, 128, 256}},
          {"edgenet fc1", {n, 256, 64}},
          {"simplenet fc1", {n, 26 * 26 * 24, 1024}},
          {"simplenet fc2", {n, 1024, 256}, kRelu},
          {"xception block1.1 pointwise", {n * 125 * 125, 64, 128}, kPlain, kWrite, false},
          {"xception block1.2 pointwise", {n * 125 * 125, 128, 128}, kPlain, kWrite, false},
          {"xception block2.1 pointwise", {n * 63 * 63, 128, 256}, kPlain, kWrite, false},
          {"xception block2.2 pointwise", {n * 63 * 63, 256, 256}, kPlain, kWrite, false},
          {"xception block3.1 pointwise", {n * 32 * 32, 256, 728}, kPlain, kWrite, false},
          {"xception block3.2 pointwise", {n * 32 * 32, 728, 728}, kPlain, kWrite, false},
          {"xception middle pointwise", {n * 16 * 16, 728, 728}, kPlain, kWrite, false},
          {"xception block12.2 pointwise", {n * 16 * 16, 728, 1024}, kPlain, kWrite, false},
          {"xception conv3 pointwise", {n * 8 * 8, 1024, 1536}, kPlain, kWrite, false},
          {"xception conv4 pointwise", {n * 8 * 8, 1536, 2048}, kPlain, kWrite, false},
          {"xception fc", {n, 2048, 1000}}};
}

std::vector<BatchNormCase> batch_norms(std::int64_t n) {
  return {{"edgenet blocks.0.bn", {n * 64 * 64, 64}},      {"edgenet blocks.1.bn", {n * 32 * 32, 128}},
          {"edgenet blocks.2.bn", {n * 16 * 16, 256}},     {"xception conv1.bn", {n * 127 * 127, 32}},
          {"xception conv2.bn", {n * 125 * 125, 64}},      {"xception block1.1.bn", {n * 125 * 125, 128}},
          {"xception block1 skip.bn", {n * 63 * 63, 128}}, {"xception block2.1.bn", {n * 63 * 63, 256}},
          {"xception block2 skip.bn", {n * 32 * 32, 256}}, {"xception block3.1.bn", {n * 32 * 32, 728}},
          {"xception middle.bn", {n * 16 * 16, 728}},      {"xception block12.2.bn", {n * 16 * 16, 1024}},
          {"xception block12 skip.bn", {n * 8 * 8, 1024}}, {"xception conv3.bn", {n * 8 * 8, 1536}},
          {"xception conv4.bn", {n * 8 * 8, 2048}}};
}

std::vector<MaxPoolCase> max_pools(std::int64_t n) {
  return {{"simplenet pool1", {n, 250, 250, 6, 2, 2, 0}, kRelu},
          {"simplenet pool2", {n, 119, 119, 16, 2, 2, 0}, kRelu},
          {"simplenet pool3", {n, 53, 53, 24, 2, 2, 0}, kRelu},
          {"xception block1 pool", {n, 125, 125, 128, 3, 2, 1}, PrologueKind::kAffine},
          {"xception block2 pool", {n, 63, 63, 256, 3, 2, 1}, PrologueKind::kAffine},
          {"xception block3 pool", {n, 32, 32, 728, 3, 2, 1}, PrologueKind::kAffine},
          {"xception block12 pool", {n, 16, 16, 1024, 3, 2, 1}, PrologueKind::kAffine}};
}

std::vector<GlobalAvgPoolCase> average_pools(std::int64_t n) {
  return {{"edgenet pool", n, 16 * 16, 256, kAffineRelu}, {"xception pool", n, 8 * 8, 2048, kAffineRelu}};
}

std::vector<AffineReluCase> affine_relus(std::int64_t n) {
  return {{"edgenet blocks.0 relu", n * 64 * 64, 64, kAffineRelu, kWrite}, {"xception middle relu", n * 16 * 16, 728, kAffineRelu, kWrite}};
}

std::vector<AddCase> additions(std::int64_t n) {
  return {{"xception block1 sum", n * 63 * 63, 128, kPlain, PrologueKind::kAffine},
          {"xception block2 sum", n * 32 * 32, 256, kPlain, PrologueKind::kAffine},
          {"xception middle sum", n * 16 * 16, 728, kPlain, PrologueKind::kAffine},
          {"xception block12 sum", n * 8 * 8, 1024, kPlain, PrologueKind::kAffine}};
}

std::vector<AccumulateIntoCase> accumulations(std::int64_t n) {
  return {{"xception middle gradient sum", n * 16 * 16 * 728, kAdd}};
}

std::vector<ImagesToInputCase> pictures(std::int64_t n) { return {{"256x256 pictures", n, 256, 256, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}}; }

constexpr std::int64_t kEdgenetWeights = 64'066, kSimplenetWeights = 16'901'762;

std::vector<AdamCase> adams() {
  return {{"edgenet weights", kEdgenetWeights, false, 0, 3, 1, going_on(3)}, {"simplenet weights", kSimplenetWeights, false, 0, 3, 1, going_on(3)}};
}
std::vector<SgdCase> sgds() { return {{"edgenet weights", kEdgenetWeights, 0.9, 1e-4, false, false}}; }
std::vector<FlatCase> flats() { return {{"edgenet weights", kEdgenetWeights}, {"simplenet weights", kSimplenetWeights}}; }
std::vector<PrepareCase> prepares() { return {{"edgenet weights", kEdgenetWeights, 1}, {"simplenet weights", kSimplenetWeights, 1}}; }
std::vector<CrossEntropyCase> losses() { return {{"32 pictures, 2 classes", 32, 2}, {"32 pictures, 1000 classes", 32, 1000}}; }
std::vector<SoftmaxCase> softmaxes() { return {{"32 pictures, 2 classes", 32, 2}}; }

template <class T, class Case>
void measure_all(Meter& meter, const LayerOptions& options, const std::vector<Case>& cases, std::vector<std::string>& wrong) {
  for (const Case& op_case : cases) {
    if (op_case.name.find(options.only) == std::string::npos) continue;
    const std::string result = measure_case<T>(meter, op_case);
    if (!result.empty()) wrong.push_back(op_case.name + (std::is_same_v<T, bf16> ? ", bf16: " : ", fp32: ") + result + " differs from the reference");
  }
}

}  // namespace

template <class T>
std::vector<std::string> measure_layers(Meter& meter, const LayerOptions& options) {
  const std::int64_t n = options.batch;
  std::vector<std::string> wrong;
  measure_all<T>(meter, options, depthwise_convolutions(n), wrong);
  measure_all<T>(meter, options, batch_norms(n), wrong);
  measure_all<T>(meter, options, max_pools(n), wrong);
  measure_all<T>(meter, options, average_pools(n), wrong);
  measure_all<T>(meter, options, affine_relus(n), wrong);
  measure_all<T>(meter, options, additions(n), wrong);
  measure_all<T>(meter, options, accumulations(n), wrong);
  measure_all<T>(meter, options, pictures(n), wrong);
  measure_all<T>(meter, options, adams(), wrong);
  measure_all<T>(meter, options, sgds(), wrong);
  measure_all<T>(meter, options, flats(), wrong);
  measure_all<T>(meter, options, prepares(), wrong);
  measure_all<T>(meter, options, losses(), wrong);
  measure_all<T>(meter, options, softmaxes(), wrong);
  measure_all<T>(meter, options, linear_maps(n), wrong);
  measure_all<T>(meter, options, convolutions(n), wrong);
  return wrong;
}

template std::vector<std::string> measure_layers<float>(Meter&, const LayerOptions&);
template std::vector<std::string> measure_layers<bf16>(Meter&, const LayerOptions&);

}  // namespace sepia::bench
