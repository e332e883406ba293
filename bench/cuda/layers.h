// The layers of the three networks at 256x256 as op cases: what cuda_bench measures.
#pragma once

#include <string>
#include <vector>

#include "bench/cuda/measure.h"

namespace sepia::bench {

struct LayerOptions {
  std::string only;  ///< a part of the layer's name; empty: all
  int batch = 1;
};

/// Measures the kernels of all layers in element type T. Returns what came out wrong, one line each.
template <class T>
std::vector<std::string> measure_layers(Meter& meter, const LayerOptions& options);

extern template std::vector<std::string> measure_layers<float>(Meter&, const LayerOptions&);
extern template std::vector<std::string> measure_layers<bf16>(Meter&, const LayerOptions&);

}  // namespace sepia::bench
