#include "engine/nn/module.h"

#include <algorithm>
#include <cmath>

#include "engine/nn/flat_parameters.h"
#include "engine/ops/materialise.h"

namespace sepia::nn {
namespace {

thread_local ModuleObserver* t_observer = nullptr;

std::string joined(const std::string& prefix, const std::string& name) { return prefix.empty() ? name : prefix + "." + name; }

}  // namespace

Initialiser Initialiser::fan_in(std::int64_t inputs_per_output) {
  return {Kind::kUniform, 1.0 / std::sqrt(static_cast<double>(inputs_per_output))};
}

ModuleObserver::ModuleObserver(Callback callback, Entered entered)
    : callback_(std::move(callback)), entered_(std::move(entered)), previous_(std::exchange(t_observer, this)) {}
ModuleObserver::~ModuleObserver() { t_observer = previous_; }

Module::Module() = default;
Module::~Module() = default;

Variable Module::operator()(const Variable& x) {
  if (flat_) flat_->require_values();
  if (t_observer && t_observer->entered_) t_observer->entered_(*this);
  Variable y = forward(x);
  if (t_observer) t_observer->callback_(*this, x.shape(), y.shape());
  if (!hooks_.empty()) {
    y = ops::materialise(y).with_statistics(nullptr);
    for (const Hook& hook : hooks_) hook(x, y);
  }
  return y;
}

bool Module::observed() { return t_observer != nullptr; }

bool Module::watched() const {
  return t_observer || !hooks_.empty() || std::ranges::any_of(children_, [](const auto& child) { return child.second->watched(); });
}

std::int64_t Module::flops(const Shape&, const Shape&) const { return 0; }

void Module::train(bool training) {
  training_ = training;
  for (const auto& [name, child] : children_) child->train(training);
}

template <class Visit>
void Module::visit(const std::string& prefix, const Visit& f) {
  f(prefix, *this);
  for (const auto& [name, child] : children_) child->visit(joined(prefix, name), f);
}

Module& Module::at(const std::string& path) {
  Module* found = nullptr;
  std::string names;
  visit("", [&](const std::string& name, Module& module) {
    if (name == path) found = &module;
    if (!name.empty()) names += (names.empty() ? "" : ", ") + name;
  });
  SEPIA_CHECK(found, "there is no layer '", path, "'; layers are: ", names);
  return *found;
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> result;
  visit("", [&](const std::string& name, Module& module) { result.emplace_back(name, &module); });
  return result;
}

std::vector<std::pair<std::string, Parameter*>> Module::named_parameters() {
  std::vector<std::pair<std::string, Parameter*>> result;
  visit("", [&](const std::string& prefix, Module& module) {
    for (const auto& [name, parameter] : module.parameters_) result.emplace_back(joined(prefix, name), parameter.get());
  });
  return result;
}

std::vector<std::pair<std::string, Buffer*>> Module::named_buffers() {
  std::vector<std::pair<std::string, Buffer*>> result;
  visit("", [&](const std::string& prefix, Module& module) {
    for (const auto& [name, buffer] : module.buffers_) result.emplace_back(joined(prefix, name), buffer.get());
  });
  return result;
}

std::int64_t Module::parameter_count() {
  std::int64_t count = 0;
  for (const auto& [name, parameter] : named_parameters()) count += parameter->shape.numel();
  return count;
}

void Module::place(Device device, DType dtype, std::uint64_t seed) {
  place_undrawn(device, dtype);
  flat_->initialise(seed);
}

void Module::place_undrawn(Device device, DType dtype) {
  flat_ = std::make_unique<FlatParameters>(*this, device, dtype);
  device_ = device;
  dtype_ = dtype;
}

FlatParameters& Module::flat() {
  SEPIA_CHECK_KIND(flat_, ErrorKind::kInternal, "[module] has no memory yet: call place() on the whole model first");
  return *flat_;
}

Parameter& Module::add_parameter(const std::string& name, Parameter parameter) {
  parameters_.emplace_back(name, std::make_unique<Parameter>(std::move(parameter)));
  return *parameters_.back().second;
}

Buffer& Module::add_buffer(const std::string& name, Buffer buffer) {
  buffers_.emplace_back(name, std::make_unique<Buffer>(std::move(buffer)));
  return *buffers_.back().second;
}

}  // namespace sepia::nn
