// Does the score follow the map? Deletion and insertion curves (Petsiuk, Das, Saenko 2018, "RISE").
//
// Pixels are taken in the order of the map, highest first. Deletion replaces them in the picture by the baseline's: a good map makes the
// class's probability fall fast. Insertion puts them into the baseline: a good map makes it rise fast.
#pragma once

#include <span>
#include <vector>

#include "engine/explain/map.h"
#include "engine/nn/module.h"

namespace sepia::explain {

struct CurveOptions {
  int steps = 32;      ///< equal shares of the pixels
  int batch_size = 8;  ///< changed pictures in one pass
};

/// Probability (softmax) of the class against the share of pixels changed, from 0 to 1, and the area below (trapezoids).
struct PerturbationCurve {
  std::vector<double> probability;  ///< steps + 1 values
  double auc = 0;
};

struct DeletionInsertion {
  std::vector<double> share;  ///< of the pixels
  PerturbationCurve deletion, insertion;
};

/// `picture` and `baseline` are (H, W, 3) input values, the map is H x W (equal values go in reading order). Throws kUsage when sizes differ.
DeletionInsertion deletion_and_insertion(nn::Module& model, std::span<const float> picture, std::span<const float> baseline, const Map& map, int explained_class,
                                         const CurveOptions& options = {});

}  // namespace sepia::explain
