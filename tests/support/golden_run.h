// A network with the counter formula's weights that takes the same training steps as the golden runs of PyTorch.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/file_layout.h"
#include "engine/nn/flat_parameters.h"
#include "engine/nn/layers.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/materialise.h"
#include "engine/optim/optimizer.h"
#include "models/model.h"
#include "tests/support/golden.h"

namespace sepia::golden {

/// The size of a golden run: the `setup` of its file.
struct RunSetup {
  std::uint32_t image_size, batch_size, batches;
  int steps;

  static RunSetup of(const nlohmann::json& setup) {
    return {setup.at("image_size"), setup.at("batch_size"), setup.at("batches"), setup.at("steps")};
  }
};

/// The order of the pictures within each batch: it changes nothing but roundings. Picture i of the new batch is picture
/// (i + rotate) mod n of the old one; reversed after that when `reverse`.
struct PictureOrder {
  std::uint32_t rotate = 0;
  bool reverse = false;

  std::uint32_t source(std::uint32_t i, std::uint32_t n) const { return ((reverse ? n - 1 - i : i) + rotate) % n; }
};

/// Adam with its default settings on batches 0, 1, ... of the counter formula, again and again.
class Run {
 public:
  Run(const std::string& network, const RunSetup& setup, Device device, DType dtype, PictureOrder order = {})
      : Run(made(network, setup.image_size), setup, device, dtype, order) {}

  /// The same with a network that is not in the catalogue.
  Run(std::unique_ptr<nn::Module> network, const RunSetup& setup, Device device, DType dtype, PictureOrder order = {})
      : setup_(setup), order_(order), model_(std::move(network)) {
    model_->place(device, dtype, 0);
    const auto parameters = model_->named_parameters();
    std::map<std::string, const nn::Parameter*> by_name(parameters.begin(), parameters.end());
    for (std::uint32_t number = 0; number < parameters.size(); ++number) {
      const auto& [name, parameter] = parameters[number];
      const std::string layer = name.substr(0, name.rfind('.'));
      const bool is_bn = dynamic_cast<nn::BatchNorm2d*>(&model_->at(layer)) != nullptr;
      const std::string kind = is_bn ? "bn_" + name.substr(layer.size() + 1) : "uniform";
      // A bias takes its layer's. The outputs come first in memory, and last in depthwise weights.
      const nn::Parameter& weight = *by_name.at(layer + ".weight");
      const std::int64_t outputs = weight.layout == nn::FileLayout::kDepthwise ? weight.shape[-1] : weight.shape[0];
      const auto fan_in = static_cast<std::uint32_t>(weight.shape.numel() / outputs);
      const std::vector<double> file = counter_formula::parameter(number, kind, static_cast<std::size_t>(parameter->shape.numel()), fan_in);
      std::vector<double> memory(file.size());
      from_file_layout(*parameter, sizeof(double), std::as_bytes(std::span(file)), std::as_writable_bytes(std::span(memory)));
      parameter->master.copy_from(tensor_from_doubles(memory, parameter->shape, dtype, device));
      start_.push_back({name, kind, fan_in});
    }
    model_->flat().require_gradients();
    optimizer_ = std::make_unique<optim::Optimizer>(optim::OptimizerOptions{}, model_->flat().weights(), model_->flat().gradients(),
                                                    std::vector{optim::ParameterGroup{.offset = 0, .count = model_->flat().size()}});
    for (std::uint32_t b = 0; b < setup.batches; ++b) load_batch(b);
  }

  /// Forward and backward of step s; returns the loss before the update.
  double gradients(int s) {
    const StepScope scope(model_->device(), "golden");
    const Variable logits = ops::materialise((*model_)(Variable(inputs_[batch_of(s)])));
    if (s == 0) first_logits_ = logits.value().to_doubles();
    const Variable loss = ops::cross_entropy(logits, labels_[batch_of(s)]);
    backward(loss);
    model_->flat().complete_gradients();
    return loss.value().item();
  }

  void update() {
    optimizer_->step(optimizer_->options().lr);
    model_->flat().commit_running_statistics();
    model_->flat().clear_gradients();
  }

  /// Logits of batch 0 in evaluation mode.
  std::vector<double> evaluation_logits() {
    const NoGradGuard no_grad;
    model_->eval();
    const std::vector<double> logits = ops::materialise((*model_)(Variable(inputs_[0]))).value().to_doubles();
    model_->train();
    return logits;
  }

  /// A parameter-shaped part of a flat arena (double), in the file's layout.
  std::vector<double> in_file_layout(const nn::Parameter& parameter, const Tensor& arena) const {
    const std::vector<double> memory = arena.slice(parameter.offset, parameter.shape).to_doubles();
    std::vector<double> file(memory.size());
    to_file_layout(parameter, sizeof(double), std::as_bytes(std::span(memory)), std::as_writable_bytes(std::span(file)));
    return file;
  }

  /// What the weights were made of, in the order of their numbers.
  struct Start {
    std::string name, kind;
    std::uint32_t fan_in;
  };
  const std::vector<Start>& start() const { return start_; }
  nn::Module& model() { return *model_; }
  const optim::OptimizerOptions& optimizer_options() const { return optimizer_->options(); }
  const std::vector<double>& first_logits() const { return first_logits_; }
  int steps() const { return setup_.steps; }

 private:
  static std::unique_ptr<nn::Module> made(const std::string& network, std::uint32_t image_size) {
    models::ModelSpec spec = models::default_spec(network);
    spec.image_size = image_size;
    return models::make_model(spec);
  }

  std::size_t batch_of(int s) const { return static_cast<std::uint32_t>(s) % setup_.batches; }

  void load_batch(std::uint32_t b) {
    const std::uint32_t n = setup_.batch_size, size = setup_.image_size;
    const std::vector<double> values = counter_formula::batch_nhwc(b, n, size);
    const std::vector<int> labels = counter_formula::batch_labels(b, n);
    const std::size_t picture = values.size() / n;
    std::vector<double> ordered(values.size());
    std::vector<std::int32_t> ordered_labels(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t from = order_.source(i, n);
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(from * picture), picture, ordered.begin() + static_cast<std::ptrdiff_t>(i * picture));
      ordered_labels[i] = labels[from];
    }
    inputs_.push_back(tensor_from_doubles(ordered, {n, size, size, 3}, model_->dtype(), model_->device()));
    labels_.push_back(Tensor::from_host<std::int32_t>(ordered_labels, {n}, model_->device()));
  }

  RunSetup setup_;
  PictureOrder order_;
  std::unique_ptr<nn::Module> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::vector<Start> start_;
  std::vector<Tensor> inputs_, labels_;
  std::vector<double> first_logits_;
};

}  // namespace sepia::golden
