// The networks and pictures of tests/golden/explain.json.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"
#include "tests/support/narrow_xception.h"

namespace sepia::golden {

inline const nlohmann::json& explain_golden() {
  static const nlohmann::json golden = load("explain");
  return golden;
}

/// A network with its golden's weights, and the pictures that it explains.
struct Explained {
  std::unique_ptr<Run> run;
  Tensor input;  ///< (2, S, S, 3)
  std::vector<int> classes;
  const nlohmann::json& golden;

  nn::Module& model() const { return run->model(); }
};

inline Explained explained(const std::string& name, Device device, DType dtype) {
  const nlohmann::json& golden = explain_golden().at(name);
  const std::vector<int> classes = explain_golden().at("classes");
  const auto size = golden.at("image_size").get<std::uint32_t>(), count = static_cast<std::uint32_t>(classes.size());
  auto run = std::make_unique<Run>(name == "xception" ? narrow_run(device, dtype) : Run(name, {.image_size = size, .batch_size = 1, .batches = 1, .steps = 0}, device, dtype));
  run->model().flat().release_gradients();
  return {std::move(run), tensor_from_doubles(counter_formula::batch_nhwc(golden.at("batch"), count, size), {count, size, size, 3}, dtype, device), classes, golden};
}

/// (N, H, W, 3) values as doubles in PyTorch's order.
inline std::vector<double> channels_first(const std::vector<float>& values, std::size_t pictures) {
  const std::size_t positions = values.size() / pictures / 3;
  std::vector<double> result(values.size());
  for (std::size_t n = 0; n < pictures; ++n) {
    for (std::size_t i = 0; i < positions; ++i) {
      for (std::size_t c = 0; c < 3; ++c) result[(n * 3 + c) * positions + i] = values[(n * positions + i) * 3 + c];
    }
  }
  return result;
}

}  // namespace sepia::golden
