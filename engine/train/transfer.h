// Transfer learning: first weights from another training, a new head, and layers that stay as they are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/weights.h"
#include "engine/nn/module.h"

namespace sepia::train {

/// Freezes layers of `model` (before its training starts): their parameters get no gradient, no moments and no update, their batch norms
/// normalise by the running statistics and leave them alone. `freeze` is
///   none            nothing
///   backbone        everything before the layer `head`
///   up-to:LAYER     everything in the order of the state dict to the last parameter of LAYER ("block3", "bn2", ...)
/// What was frozen before is trained again unless it is frozen now. Throws kUsage, listing the layers, for anything else.
void freeze_layers(nn::Module& model, const std::string& freeze, const std::string& head);

/// Parameters, in elements, that are trained and that are not.
struct ParameterCounts {
  std::int64_t trainable = 0, frozen = 0;
};
ParameterCounts count_parameters(nn::Module& model);

struct PretrainedParams {
  std::string head;       ///< the first layer of the model's head
  bool new_head = false;  ///< leave the whole head as it was drawn, though the file's might fit
};

struct PretrainedReport {
  LoadReport loaded;
  std::vector<std::string> drawn_anew;  ///< layers of the head that keep their drawn weights
  std::vector<std::string> left_out;    ///< tensors of the file's head that this head has no place for

  /// "274 tensors loaded, 0 missing, 0 unexpected; drawn anew: fc; left out of the file: fc.bias, fc.weight".
  std::string summary() const;
};

/// Loads the weights of another training into a placed model. The backbone must be there, all of it, in the right shapes, and nothing
/// else beside it: kData otherwise, and nothing has changed. A layer of the head is taken where the file has one of its name and
/// shape; the first of several (`fc.0`) may also take the file's single one (`fc`). The others keep what they were drawn with.
PretrainedReport load_pretrained(const SafetensorsFile& file, nn::Module& model, const PretrainedParams& params);

}  // namespace sepia::train
