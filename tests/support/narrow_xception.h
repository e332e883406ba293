// The narrow xception_based of tests/golden/xception_narrow.json, with the start that its generator gives it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/xception.h"
#include "tests/support/golden_run.h"

namespace sepia::golden {

inline const nlohmann::json& narrow_golden() {
  static const nlohmann::json golden = load("xception_narrow");
  return golden;
}

struct NarrowRun {
  models::XceptionNumerics numerics = models::XceptionNumerics::pytorch();
  nlohmann::json setup = narrow_golden().at("setup");
  PictureOrder order{};
};

inline Run narrow_run(Device device, DType dtype, const NarrowRun& of = {}) {
  auto network = std::make_unique<models::Xception>(models::XceptionOptions{
      .classes = 2, .deep_head = true, .numerics = of.numerics, .width_divisor = narrow_golden().at("setup").at("width_divisor").get<std::int64_t>()});
  Run run(std::move(network), RunSetup::of(of.setup), device, dtype, of.order);
  std::uint32_t number = 3000;
  for (const auto& [name, buffer] : run.model().named_buffers()) {
    const char* kind = name.ends_with("running_mean") ? "bn_bias" : "bn_weight";
    const std::vector<double> values = counter_formula::parameter(number++, kind, static_cast<std::size_t>(buffer->shape.numel()), 1);
    buffer->value.copy_from(tensor_from_doubles(values, buffer->shape, dtype, device));
  }
  return run;
}

}  // namespace sepia::golden
