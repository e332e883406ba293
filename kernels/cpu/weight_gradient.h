// The gradient of a pointwise layer's weights, from rows of its input that are made panel by panel: grad_weight = grad_y^T x.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/outer_product.h"
#include "kernels/cpu/partials.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/weight_product.h"
#include "kernels/linear.h"

namespace sepia::kernels::cpu {

/// How it is cut, by shape alone: in chunks of rows, each with a partial sum of its own; large weights in groups of outputs too, so that there are
/// fewer partial sums to write and to read again. Panels and chunks are multiples of `unit` rows.
struct WeightCut {
  WeightCut(const LinearShape& s, bool bias, std::int64_t unit, std::int64_t most_groups) : unit(unit) {
    constexpr std::int64_t kPieces = 8, kGroupWeights = 1 << 16, kLeastRows = 256;
    weights = s.in_features * s.out_features;
    biases = bias ? s.out_features : 0;
    const std::int64_t wanted = std::clamp<std::int64_t>(weights / kGroupWeights, 1, most_groups);
    outputs = std::min(s.out_features, pieces_of(pieces_of(s.out_features, wanted), kPanelStep) * kPanelStep);
    groups = pieces_of(s.out_features, outputs);
    const std::int64_t units = s.rows / unit, least = groups == 1 ? pieces_of(kLeastRows, unit) : pieces_of(units, pieces_of(kPieces, groups));
    chunks = cut_chunks(units, least, weights + biases);
  }

  /// Rows of a panel of numbers of `size` bytes: it, that of grad_y and their packed copies stay in the second-level cache.
  std::int64_t panel_rows(const LinearShape& s, std::int64_t size) const {
    constexpr std::int64_t kPanelBytes = 3 << 18;
    const std::int64_t rows = std::clamp<std::int64_t>(kPanelBytes / size / (s.in_features + s.out_features) / 16 * 16, 64, 1024);
    return std::max<std::int64_t>(1, rows / unit) * unit;
  }

  std::int64_t unit, weights = 0, biases = 0;
  std::int64_t outputs = 0, groups = 0;  // of a group; how many
  Chunks chunks;                         // of units
};

template <class T>
struct WeightGradient {
  LinearShape shape;  ///< rows: whole units
  const T* grad_y = nullptr;
  float* grad_weight = nullptr;
  float* grad_bias = nullptr;  ///< may be null
  Accumulate accumulate = Accumulate::kWrite;
};

/// panel(first, rows) gives those rows of x, dense, on the calling thread; it is asked for the rows of a chunk in order.
template <class T, class Panel>
void weight_gradient(const WeightGradient<T>& args, const WeightCut& cut, const Panel& panel) {
  const LinearShape& s = args.shape;
  const Chunks& chunks = cut.chunks;
  const std::int64_t sums = cut.weights + cut.biases, panel_rows = cut.panel_rows(s, sizeof(T));
  const bool direct = chunks.count == 1, add = direct && args.accumulate == Accumulate::kAdd;
  float* partials = direct ? nullptr : scratch(Scratch::kPartials, chunks.count * sums);
  parallel_for(chunks.count * cut.groups, [&](std::int64_t piece) {
    const std::int64_t chunk = piece / cut.groups, output = piece % cut.groups * cut.outputs, outputs = std::min(cut.outputs, s.out_features - output);
    const std::int64_t begin = chunks.begin(chunk) * cut.unit, end = chunks.end(chunk) * cut.unit;
    float* partial = direct ? args.grad_weight : partials + chunk * sums;
    float* bias = direct ? args.grad_bias : partial + cut.weights;
    if (args.grad_bias && !add) std::fill_n(bias + output, outputs, 0.0F);
    for (std::int64_t first = begin; first < end; first += panel_rows) {
      const std::int64_t rows = std::min(panel_rows, end - first);
      const T* grad_y = args.grad_y + first * s.out_features + output;
      outer_product(OuterProduct<T>{.rows = rows,
                                    .outputs = outputs,
                                    .inputs = s.in_features,
                                    .g = grad_y,
                                    .ldg = s.out_features,
                                    .x = panel(first, rows),
                                    .sums = partial + output * s.in_features,
                                    .add = add || first > begin});
      if (args.grad_bias) add_column_sums({rows, outputs, s.out_features}, grad_y, bias + output);
    }
  });
  if (!direct) combine_partials(partials, chunks.count, cut.weights, cut.biases, args.grad_weight, args.grad_bias, args.accumulate);
}

}  // namespace sepia::kernels::cpu
