// What `sepia bench` computes: least work by hand, figures that add up, and a chart in which nothing overlaps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/model.h"
#include "tests/tools/recording_canvas.h"
#include "tools/measure/bench_chart.h"
#include "tools/measure/model_bench.h"
#include "tools/report/flame_chart.h"

namespace sepia::tools {
namespace {

using report::FlameBox;
using ::testing::HasSubstr;

LayerRow row(const std::string& type, const Shape& input, const Shape& output, std::int64_t params, std::int64_t flops) {
  return {.name = type, .type = type, .stage = {}, .input_shape = input, .output_shape = output, .params = params, .flops = flops};
}

void expect_work(const Work& work, double flops, double bytes) {
  EXPECT_EQ(work.flops, flops);
  EXPECT_EQ(work.bytes, bytes);
}

TEST(LayerCost, ByHand) {
  // Two pictures of 4x4 pixels from 3 to 5 channels, with bias: 20 parameters, 16 * 5 * (2 * 3 + 1) operations a picture.
  const LayerRow pointwise = row("PointwiseConv2d", {1, 4, 4, 3}, {1, 4, 4, 5}, 20, 560);
  const double in = 2 * 48, out = 2 * 80;
  const LayerCost fp32 = layer_cost(pointwise, 2, DType::kF32, false);
  expect_work(fp32.forward, 1120, 4 * (in + out + 20));
  expect_work(fp32.backward, 2240, 4 * (in + out + 20 + in + 20));
  expect_work(fp32.inference, 1120, 4 * (in + out + 20));
  const LayerCost bf16 = layer_cost(pointwise, 2, DType::kBF16, true);
  expect_work(bf16.forward, 1120, 2 * (in + out + 20));
  expect_work(bf16.backward, 1120, 2 * (in + out) + 4 * 20);  // no gradient of pictures; gradients of weights in fp32

  // A depthwise convolution with stride 2 before it, without bias: 8x8 pixels, 3x3x3 parameters, 16 * 3 * 2 * 9 operations a picture.
  const LayerRow depthwise = row("DepthwiseConv2d", {1, 8, 8, 3}, {1, 4, 4, 3}, 27, 864);
  const double before = 2 * 192;
  const LayerCost both = separable_cost(depthwise, pointwise, 2, DType::kF32, false);
  expect_work(both.forward, 1728 + 1120, 4 * (before + out + 20 + 27));
  expect_work(both.inference, 1728 + 1120, 4 * (before + out + 20 + 27));
  expect_work(both.backward, 3 * 1728 + 2 * 1120, 4 * (2 * before + out + 2 * (20 + 27)));
  expect_work(separable_cost(depthwise, pointwise, 2, DType::kF32, true).backward, 2 * 1728 + 2 * 1120, 4 * (before + out + 2 * (20 + 27)));

  // 2x2 pooling of a convolution's output.
  const LayerRow convolution = row("Conv2d", {1, 4, 4, 3}, {1, 4, 4, 5}, 20, 560), pool = row("MaxPool2d", {1, 4, 4, 5}, {1, 2, 2, 5}, 0, 80);
  expect_work(layer_cost(row("Conv2d", {1, 6, 6, 3}, {1, 4, 4, 5}, 140, 4320), 2, DType::kF32, true).backward, 2 * 4320, 2 * 108 + 4 * (2 * 80 + 140));
  const LayerCost pooled = pooled_cost(convolution, pool, 2, DType::kF32, false);
  expect_work(pooled.forward, 1120 + 160, 4 * (in + 20) + 5 * out / 4);  // winners: a byte each
  expect_work(pooled.inference, 1120 + 160, 4 * (in + 20 + out / 4));
  expect_work(pooled.backward, 2240 + 160, 4 * (2 * in + 2 * 20) + 5 * out / 4);

  const LayerCost norm = layer_cost(row("BatchNorm2d", {1, 4, 4, 5}, {1, 4, 4, 5}, 10, 160), 2, DType::kF32, false);
  expect_work(norm.forward, 320, 4 * out);
  expect_work(norm.backward, 640, 4 * 3 * out);
  expect_work(norm.inference, 0, 0);
  expect_work(layer_cost(row("ReLU", {1, 4, 4, 5}, {1, 4, 4, 5}, 0, 80), 2, DType::kF32, false).forward, 0, 0);
  expect_work(layer_cost(row("MaxPool2d", {1, 4, 4, 5}, {1, 2, 2, 5}, 0, 80), 2, DType::kF32, false).backward, 160, 4 * out + 4 * out / 4 + out / 4);

  EXPECT_EQ(least_seconds({10, 8}, 5, 8), 2);
  EXPECT_TRUE(compute_bound({10, 8}, 5, 8));
  EXPECT_EQ(least_seconds({10, 32}, 5, 8), 4);
  EXPECT_FALSE(compute_bound({10, 32}, 5, 8));
  EXPECT_EQ(least_seconds({10, 0}, 5, 8), 0);
}

ModelFigures figures_of(const std::string& name, std::int64_t classes, std::int64_t side) {
  models::ModelSpec spec = models::default_spec(name);
  spec.classes = classes;
  spec.image_size = side;
  const auto model = models::make_model(spec);
  model->place(kCpuDevice, DType::kF32, 0);
  return bench_model(*model, spec, {.batch = 2, .rounds = 3});
}

TEST(ModelBench, FiguresAreCoherent) {
  const ModelFigures figures = figures_of("simplenet", 2, 64);
  ASSERT_TRUE(figures.train_step_s);
  double train = figures.train_outside.input_s + figures.train_outside.output_s + figures.train_outside.update_s + figures.train_outside.between_s;
  double infer = figures.infer_outside.input_s + figures.infer_outside.output_s + figures.infer_outside.between_s;
  for (const LayerFigures& layer : figures.layers) {
    train += layer.forward_s + layer.backward_s;
    infer += layer.infer_s;
  }
  // In one round the parts add up exactly (LayerClock's test); on a busy machine their medians do not, for interruptions hit now this
  // layer, now that.
  EXPECT_GT(train, 0.1 * figures.train_step_s->low);
  EXPECT_LT(train, 1.5 * figures.train_step_s->high);
  EXPECT_GT(infer, 0.1 * figures.infer_s.low);
  EXPECT_LT(infer, 1.5 * figures.infer_s.high);
  EXPECT_FALSE(figures.infer_depth_first);
  EXPECT_EQ(figures.infer_layers_s, figures.infer_s.median) << "the layers were timed in the very passes";
  EXPECT_LE(figures.infer_s.low, figures.infer_s.median);
  EXPECT_LE(figures.infer_s.median, figures.infer_s.high);
  EXPECT_GT(figures.ceilings.copy_bytes_per_s, 1e8);
  EXPECT_GT(figures.ceilings.gemm_flops_per_s, 1e8);
  EXPECT_GE(figures.peak_rss_mib, figures.infer_peak_rss_mib);
  EXPECT_LT(figures.arena_mib, figures.unshared_mib) << "buffers share memory";
  EXPECT_GT(figures.train_outside.update_s, 0);
}

TEST(ModelBench, ABlocksAdditionIsARowOfItsOwnAndOtherOutputsAreNotTrained) {
  const ModelFigures figures = figures_of("xception", 3, 72);
  EXPECT_FALSE(figures.train_step_s);
  EXPECT_THAT(figures.train_reason, HasSubstr("has 3"));
  std::vector<std::string> others;
  for (const LayerFigures& layer : figures.layers) {
    if (!layer.leaf) others.push_back(layer.row.name);
    EXPECT_EQ(layer.forward_s, 0);
  }
  ASSERT_EQ(others.size(), 12U);
  EXPECT_EQ(others.front(), "block1");
  EXPECT_EQ(others.back(), "block12");
}

const LayerFigures& layer_of(const ModelFigures& figures, const std::string& name) {
  return *std::ranges::find(figures.layers, name, [](const LayerFigures& layer) { return layer.row.name; });
}

TEST(ModelBench, APendingConvolutionCountsWhereItIsCarriedOut) {
  const ModelFigures edgenet = figures_of("edgenet", 2, 64);
  const LayerFigures &kept = layer_of(edgenet, "blocks.1.depthwise"), &behind = layer_of(edgenet, "blocks.1.pointwise");
  EXPECT_FALSE(kept.trains_in_next) << "edgenet keeps it";
  EXPECT_GT(kept.cost.forward.flops, 0);
  EXPECT_GT(kept.backward_s, 0);
  EXPECT_TRUE(kept.infers_in_next);
  EXPECT_EQ(kept.cost.inference.flops, 0);
  EXPECT_EQ(behind.cost.inference.flops, kept.cost.forward.flops + behind.cost.forward.flops);

  const ModelFigures xception = figures_of("xception_based", 2, 72);
  const LayerFigures &pending = layer_of(xception, "block4.rep.1.conv1"), &pointwise = layer_of(xception, "block4.rep.1.pointwise");
  EXPECT_TRUE(pending.trains_in_next);
  EXPECT_TRUE(pending.infers_in_next);
  EXPECT_EQ(pending.backward_s, 0);
  EXPECT_LT(pending.forward_s, pointwise.forward_s);
  EXPECT_EQ(pending.cost.backward.flops, 0);
  EXPECT_EQ(pointwise.cost.forward.flops, 2.0 * static_cast<double>(pending.row.flops + pointwise.row.flops));
  EXPECT_EQ(pointwise.cost.backward.flops, 2.0 * static_cast<double>(3 * pending.row.flops + 2 * pointwise.row.flops));
}

TEST(ModelBench, ABatchNormHasNoForwardWorkWhereTheLayerBeforeItLeavesTheStatistics) {
  for (const auto& [model, norm] : {std::pair{"edgenet", "blocks.1.bn"},
                                    {"xception_based", "bn1"},
                                    {"xception_based", "block2.skipbn"},
                                    {"xception_based", "block4.rep.2"}}) {
    const ModelFigures figures = figures_of(model, 2, 72);
    const LayerFigures& layer = layer_of(figures, norm);
    EXPECT_EQ(layer.row.type, "BatchNorm2d") << norm;
    EXPECT_EQ(layer.cost.forward.bytes, 0) << norm;
    EXPECT_GT(layer.cost.backward.bytes, 0) << norm;
  }
}

TEST(ModelBench, APoolingCarriesOutTheConvolutionBeforeIt) {
  const ModelFigures simplenet = figures_of("simplenet", 2, 64);
  for (const char* stage : {"1", "2", "3"}) {
    const LayerFigures &convolution = layer_of(simplenet, str("conv", stage)), &pool = layer_of(simplenet, str("pool", stage));
    EXPECT_TRUE(convolution.trains_in_next);
    EXPECT_TRUE(convolution.infers_in_next);
    EXPECT_EQ(convolution.cost.forward.flops, 0);
    EXPECT_EQ(convolution.backward_s, 0);
    EXPECT_LT(convolution.forward_s, pool.forward_s);
    EXPECT_EQ(pool.cost.inference.flops, 2.0 * static_cast<double>(convolution.row.flops + pool.row.flops));
    EXPECT_EQ(pool.cost.backward.flops, (stage == std::string("1") ? 2.0 : 4.0) * static_cast<double>(convolution.row.flops) + 2.0 * static_cast<double>(pool.row.flops));
  }
}

/// Texts that stand on one line do not touch.
void expect_no_overlap(const test::RecordingCanvas& canvas) {
  const auto left = [](const auto& text) {
    const double width = report::text_width(text.words, text.style);
    return text.at.x - (text.style.anchor == report::Anchor::kStart ? 0 : text.style.anchor == report::Anchor::kEnd ? width : width / 2);
  };
  for (std::size_t i = 0; i < canvas.texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto &a = canvas.texts[i], &b = canvas.texts[j];
      if (std::abs(a.at.y - b.at.y) > 8) continue;
      const bool apart = left(a) >= left(b) + report::text_width(b.words, b.style) || left(b) >= left(a) + report::text_width(a.words, a.style);
      EXPECT_TRUE(apart) << a.words << " and " << b.words;
    }
  }
}

TEST(FlameChart, BoxesAreAsWideAsTheirShareAndHangBelowTheirParent) {
  FlameBox parent{.name = "a rather long name", .value = 30, .children = {{.name = "one", .value = 10}, {.name = "two", .value = 5}}};
  const report::Figure figure = report::flame_chart({{.title = "t", .subtitle = "s", .unit = "ms", .boxes = {parent, {.name = "rest", .value = 10}}}}, {{"key"}}, "alt");
  test::RecordingCanvas canvas;
  figure.draw(canvas);
  ASSERT_GE(canvas.rects.size(), 4U);
  const report::Rect outer = canvas.rects[0].first, one = canvas.rects[1].first, two = canvas.rects[2].first, rest = canvas.rects[3].first;
  EXPECT_NEAR((outer.width + 1) / (rest.width + 1), 3, 1e-9);
  EXPECT_NEAR((one.width + 1) / (two.width + 1), 2, 1e-9);
  EXPECT_EQ(one.x, outer.x);
  EXPECT_NEAR(two.x, one.right() + 1, 1e-9);
  EXPECT_GE(one.y, outer.bottom());
  EXPECT_EQ(rest.y, outer.y);
  EXPECT_LT(two.right(), outer.right()) << "the parent's own time is left free";
  EXPECT_TRUE(canvas.find("a rather long name"));
  expect_no_overlap(canvas);
}

TEST(FlameChart, NamesAreCutOrLeftOutWhereTheyDoNotFit) {
  std::vector<FlameBox> boxes;
  for (int i = 0; i < 40; ++i) boxes.push_back({.name = "a name of some length", .value = i < 20 ? 1.0 : 0.1});
  test::RecordingCanvas canvas;
  report::flame_chart({{.title = "t", .subtitle = "s", .unit = "ms", .boxes = boxes}}, {{"key"}}, "alt").draw(canvas);
  std::size_t cut = 0;
  for (const auto& text : canvas.texts) cut += text.words.ends_with("\u2026") ? 1 : 0;
  EXPECT_EQ(cut, 20U);
  expect_no_overlap(canvas);
}

TEST(BenchChart, ShowsStepAndInferenceOfTheMeasuredLayers) {
  ModelFigures figures = figures_of("edgenet", 2, 64);
  EXPECT_TRUE(figures.infer_depth_first);
  EXPECT_GT(figures.infer_layers_s, 0);
  // On a busy machine a layer may come out too short for a word, so the drawing is judged on times that are given.
  for (LayerFigures& layer : figures.layers) {
    layer.forward_s = layer.infer_s = 1e-3;
    layer.backward_s = 2e-3;
  }
  figures.train_outside = {.input_s = 1e-3, .output_s = 1e-3, .update_s = 1e-3, .between_s = 0};
  figures.infer_outside = {.input_s = 1e-3, .output_s = 1e-3, .update_s = 0, .between_s = 0};
  const report::Figure figure = bench_chart("edgenet, batch 2", figures);
  test::RecordingCanvas canvas;
  figure.draw(canvas);
  EXPECT_TRUE(canvas.find("Training step: edgenet, batch 2"));
  EXPECT_TRUE(canvas.find("Inference, layer by layer: edgenet, batch 2"));
  EXPECT_TRUE(canvas.find("backward"));
  EXPECT_TRUE(canvas.find("depthwise convolution")) << "in the key";
  std::size_t about_pointwise = 0;
  for (const auto& [area, words] : canvas.hints) about_pointwise += words.find("blocks.2.pointwise\n") != std::string::npos ? 1 : 0;
  EXPECT_EQ(about_pointwise, 3U) << "forward, backward and inference";
  for (const auto& [area, fill] : canvas.rects) EXPECT_LE(area.right(), figure.width);
  expect_no_overlap(canvas);
}

}  // namespace
}  // namespace sepia::tools
