// What a layer learns (parameters) and what it keeps besides (buffers), with the layout that files give them.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "engine/autograd/variable.h"

namespace sepia::nn {

/// How PyTorch's files lay a tensor out, against sepia's layout in memory. engine/io converts by this tag and needs to know no model.
enum class FileLayout : std::uint8_t {
  kPlain,               ///< the same in both: biases, batch-norm vectors, linear (O, I)
  kOihw,                ///< file (K, C, R, S), memory (K, R, S, C)
  kDepthwise,           ///< file (C, 1, R, S), memory (R, S, C)
  kPointwise,           ///< file (O, I, 1, 1), memory (O, I)
  kLinearAfterFlatten,  ///< columns: file order (c, h, w), memory order (h, w, c)
};

/// How a parameter starts.
struct Initialiser {
  enum class Kind : std::uint8_t { kUniform, kConstant } kind = Kind::kConstant;
  double value = 0;  ///< the constant, or the bound b of the uniform distribution over [-b, b)

  static Initialiser constant(double value) { return {Kind::kConstant, value}; }
  /// PyTorch's default of convolutions and linear layers, weight and bias alike: Kaiming-uniform with a = sqrt(5), which is
  /// b = 1 / sqrt(fan_in) (He et al. 2015; torch.nn.Linear.reset_parameters).
  static Initialiser fan_in(std::int64_t inputs_per_output);
};

/// One learned tensor. Its memory lies in the model's flat arenas (FlatParameters) once the model has been placed on a device.
struct Parameter {
  Shape shape;
  FileLayout layout = FileLayout::kPlain;
  std::array<std::int64_t, 3> flattened{};  ///< (C, H, W) in front of the flatten, for kLinearAfterFlatten
  Initialiser initialiser;
  bool vector_like = false;  ///< lives in the accumulator type (biases, gamma, beta), not in the activation type
  bool trainable = true;     ///< false: frozen; no gradient is computed
  std::int64_t offset = -1;  ///< first element in the flat arenas

  Variable variable{};  ///< value as ops take it and gradient slot; set by FlatParameters
  Tensor master{};      ///< the value that is trained and saved, in the accumulator type; the same memory unless activations are bf16
  /// What ops take: without a slot while frozen.
  Variable used() const { return trainable ? variable : variable.detach(); }
};

/// One tensor that is kept but not learned by gradient: running statistics.
struct Buffer {
  Shape shape;
  double initial = 0;
  Tensor value{};  ///< set by FlatParameters
};

}  // namespace sepia::nn
