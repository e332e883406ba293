// Every op through the tape against PyTorch in float64: values and gradients, on the double reference and on the CPU in float.
#include <gtest/gtest.h>

#include <functional>

#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flat.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"
#include "tests/support/op_goldens.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using nlohmann::json;
using test::Array;
using test::Arrays;
using test::Place;

/// The shape of a golden's array in sepia's layout, as golden_arrays() lays its values out.
Shape shape_of(const json& array, bool depthwise_filter) {
  const auto s = array.at("shape").get<std::vector<std::int64_t>>();
  if (depthwise_filter) return {s[2], s[3], s[0]};
  return s.size() == 4 ? Shape{s[0], s[2], s[3], s[1]} : Shape(std::span<const std::int64_t>(s));
}

/// A golden row on one device: its inputs as leaves, and its outputs to compare with.
class Row {
 public:
  Row(const json& row, const Place& place, bool depthwise = false)
      : row_(row), place_(place), inputs_(test::golden_arrays(row.at("inputs"), depthwise)), outputs_(test::golden_arrays(row.at("outputs"), depthwise)),
        depthwise_(depthwise) {}

  const Variable& leaf(const std::string& name) {
    const auto found = leaves_.find(name);
    return found != leaves_.end() ? found->second : leaves_.emplace(name, Variable::leaf(tensor(name))).first->second;
  }
  Variable leaf_if_present(const std::string& name) { return inputs_.contains(name) ? leaf(name) : Variable(); }
  Tensor tensor(const std::string& name) const {
    const bool filter = depthwise_ && (name == "weight" || name == "depthwise");
    return place_.tensor(inputs_.at(name), shape_of(row_.at("inputs").at(name), filter && row_.at("inputs").at(name).at("shape").size() == 4));
  }
  bool has(const std::string& input) const { return inputs_.contains(input); }
  template <class T>
  T param(const char* name) const { return row_.at("params").at(name).get<T>(); }
  const Array& input(const std::string& name) const { return inputs_.at(name); }
  const Place& place() const { return place_; }

  /// y and the gradients of all leaves made; `terms` are added up per element, `more` is added to the absolute tolerance in float.
  void expect(const Variable& y, double terms, double more = 0) {
    SCOPED_TRACE(row_.at("name").get<std::string>() + " on " + device_name(place_.device));
    expect_array(test::value_of(y), "y", terms, more);
    backward(y, place_.tensor(inputs_.at("grad_y"), y.shape()));
    for (const auto& [name, variable] : leaves_) expect_array(test::grad_of(variable), "grad_" + name, terms, more);
  }
  void expect_array(const Array& actual, const std::string& name, double terms, double more = 0) {
    test::Tolerance limit = place_.limit(terms, outputs_.at(name));
    if (place_.dtype == DType::kF32) limit.absolute += more;
    test::expect_near(actual, outputs_.at(name), limit, name);
    compared_.push_back(name);
  }
  /// Every output of the golden has been compared.
  void expect_complete() const {
    for (const auto& [name, values] : outputs_) EXPECT_NE(std::ranges::find(compared_, name), compared_.end()) << name << " was not compared";
  }

 private:
  const json& row_;
  Place place_;
  Arrays inputs_, outputs_;
  bool depthwise_;
  std::map<std::string, Variable> leaves_;
  std::vector<std::string> compared_;
};

void for_each_row(const char* op, bool depthwise, const std::function<void(Row&)>& check) {
  const json goldens = golden::load("ops");
  ASSERT_FALSE(goldens.at(op).empty());
  for (const json& golden : goldens.at(op)) {
    for (const Place& place : test::kPlaces) {
      Row row(golden, place, depthwise);
      check(row);
      row.expect_complete();
    }
  }
}

TEST(GoldenOps, Conv2d) {
  for_each_row("conv2d", false, [](Row& row) {
    const Variable y = ops::conv2d(row.leaf("x"), row.leaf("weight"), row.leaf_if_present("bias"), {.stride = row.param<int>("stride"), .padding = row.param<int>("padding")});
    row.expect(y, 150);
  });
}

TEST(GoldenOps, PointwiseConvolutionIsLinear) {
  int rows = 0;
  const json goldens = golden::load("ops");
  for (const json& golden : goldens.at("conv2d")) {
    for (const Place& place : test::kPlaces) {
      Row row(golden, place);
      if (row.param<int>("kernel") != 1 || row.param<int>("stride") != 1) continue;
      const Tensor filter = row.tensor("weight");
      const Variable weight = Variable::leaf(filter.reshape({filter.shape()[0], filter.shape()[3]}));
      row.expect(ops::linear(row.leaf("x"), weight, row.leaf_if_present("bias")), 20);
      row.expect_array(test::grad_of(weight), "grad_weight", 20);
      row.expect_complete();
      ++rows;
    }
  }
  EXPECT_GT(rows, 0);
}

TEST(GoldenOps, DepthwiseConv) {
  for_each_row("depthwise_conv", true, [](Row& row) {
    const Variable y = ops::depthwise_conv(row.leaf("x"), row.leaf("weight"), row.leaf_if_present("bias"), {.stride = row.param<int>("stride"), .padding = row.param<int>("padding")});
    row.expect(y, 40);
  });
}

TEST(GoldenOps, Linear) {
  for_each_row("linear", false, [](Row& row) { row.expect(ops::linear(row.leaf("x"), row.leaf("weight"), row.leaf_if_present("bias")), 10); });
}

ops::BatchNormBuffers buffers_of(const Row& row) {
  const Tensor mean = row.tensor("running_mean");
  const auto fresh = [&] { return Tensor::zeros(mean.shape(), mean.dtype(), mean.device()); };
  return {.running_mean = mean, .running_variance = row.tensor("running_var"), .step_mean = fresh(), .step_variance = fresh(), .eps = row.param<double>("eps")};
}

// Running statistics move at the optimiser's commit; here as nn::FlatParameters does it.
void expect_running_statistics(Row& row, const ops::BatchNormBuffers& buffers, double more) {
  ops::lerp(buffers.running_mean, buffers.step_mean, row.param<double>("momentum"));
  ops::lerp(buffers.running_variance, buffers.step_variance, row.param<double>("momentum"));
  row.expect_array(buffers.running_mean.to_doubles(), "running_mean_after", 40, more);
  row.expect_array(buffers.running_variance.to_doubles(), "running_var_after", 40);
}

TEST(GoldenOps, BatchNorm) {
  for_each_row("batch_norm", false, [](Row& row) {
    const ops::BatchNormBuffers buffers = buffers_of(row);
    const bool training = row.param<bool>("training");
    // y = scale x + shift, whose terms cancel where the mean is large: half a unit in the last place of the largest.
    double largest = 0;
    for (const double x : row.input("x")) largest = std::max(largest, std::abs(x));
    const double more = 3e-7 * largest;
    const Array mean_before = buffers.running_mean.to_doubles();
    row.expect(ops::batch_norm(row.leaf("x"), row.leaf("weight"), row.leaf("bias"), buffers, training ? ops::BatchNormMode::kBatch : ops::BatchNormMode::kRunning), 40, more);
    EXPECT_EQ(buffers.running_mean.to_doubles(), mean_before) << "the op itself moves no running statistics";
    if (training) expect_running_statistics(row, buffers, more);
  });
}

TEST(GoldenOps, BatchNormReluDepthwise) {
  for_each_row("bn_relu_depthwise", true, [](Row& row) {
    const ops::BatchNormBuffers buffers = buffers_of(row);
    const bool training = !row.param<bool>("frozen");
    const Variable h = ops::relu(ops::batch_norm(row.leaf("x"), row.leaf("weight"), row.leaf("bias"), buffers, training ? ops::BatchNormMode::kBatch : ops::BatchNormMode::kRunning));
    row.expect(ops::depthwise_conv(h, row.leaf("depthwise"), Variable(), {.stride = 1, .padding = row.param<int>("padding")}), 40);
    if (training) expect_running_statistics(row, buffers, 0);
  });
}

TEST(GoldenOps, Relu) {
  for_each_row("relu", false, [](Row& row) { row.expect(ops::materialise(ops::relu(row.leaf("x"))), 0); });
}

TEST(GoldenOps, MaxPool) {
  for_each_row("max_pool", false, [](Row& row) {
    row.expect(ops::max_pool(row.leaf("x"), {.kernel = row.param<int>("kernel"), .stride = row.param<int>("stride"), .padding = row.param<int>("padding")}), 4);
  });
}

TEST(GoldenOps, GlobalAvgPool) {
  for_each_row("global_avg_pool", false, [](Row& row) { row.expect(ops::global_avg_pool(row.leaf("x")), 12); });
}

TEST(GoldenOps, Add) {
  for_each_row("add", false, [](Row& row) { row.expect(ops::add(row.leaf("a"), row.leaf("b")), 2); });
}

TEST(GoldenOps, Softmax) {
  for_each_row("softmax", false, [](Row& row) { row.expect(ops::softmax(row.leaf("x")), 4); });
}

TEST(GoldenOps, CrossEntropy) {
  for_each_row("cross_entropy", false, [](Row& row) {
    const Array& values = row.input("labels");
    const std::vector<std::int32_t> labels(values.begin(), values.end());
    ops::CrossEntropyParams params{.class_weights = {}, .smoothing = row.param<double>("smoothing")};
    const Variable x = row.leaf("x");
    if (row.has("class_weights")) params.class_weights = row.tensor("class_weights");
    row.expect(ops::cross_entropy(x, Tensor::from_host<std::int32_t>(labels, {x.shape()[0]}, row.place().device), params), 8);
  });
}

}  // namespace
}  // namespace sepia
