// Linear map of rows (kernels/linear.h) on the CPU.
//
// Many rows (a pointwise convolution): weights packed once, panels of rows that stay in the second-level cache; a prologue is carried
// out on a copy of the panel, the product follows at once. Few rows (a fully connected layer): cut over output columns, so that every
// weight is read once and all threads share the reading. Each product runs on one thread; cuts depend on the shape alone.
// Cost: 2 M I O FLOP each way. Pointwise layers are bound by arithmetic from 64 channels on, fully connected ones by reading W.
#include <algorithm>
#include <type_traits>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/dot_rows.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row_statistics.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/transpose.h"
#include "kernels/cpu/weight_gradient.h"
#include "kernels/cpu/weight_product.h"

namespace sepia::kernels::cpu {
namespace {

// Width of the column blocks when rows are few: 16 blocks where they are not too narrow.
std::int64_t block_columns(std::int64_t columns, std::int64_t narrowest) {
  return std::max(narrowest, pieces_of(pieces_of(columns, 16), 16) * 16);
}

// act(x) for all rows: x itself without a prologue, else a copy that all threads read. For few rows only.
template <class T>
const T* activated(const LinearShape& shape, const Prologue<T>& prologue, const T* x) {
  if (prologue.identity()) return x;
  T* copy = scratch_of<T>(Scratch::kShared, shape.rows * shape.in_features);
  activate_rows(as_float(prologue), {shape.rows, shape.in_features, shape.in_features}, x, copy);
  return copy;
}

// act(x) for the rows [first, first + count): x itself without a prologue, else the thread's panel.
template <class T>
const T* activated_panel(const LinearShape& shape, const Prologue<T>& prologue, const T* x, std::int64_t first, std::int64_t count) {
  const T* rows = x + first * shape.in_features;
  if (prologue.identity()) return rows;
  T* panel = scratch_of<T>(Scratch::kPanel, count * shape.in_features);
  activate_rows(as_float(prologue), {count, shape.in_features, shape.in_features}, rows, panel);
  return panel;
}

// Sends a product to `result` at once, or to the thread's panel first where something has to happen to its sums before they get there.
void send(Gemm<float>& product, float* result, bool aside, std::int64_t pitch) {
  product.c = aside ? scratch(Scratch::kOutput, product.m * product.n) : result;
  product.ldc = aside ? product.n : pitch;
}
void send(Gemm<bf16>& product, bf16* result, bool aside, std::int64_t pitch) {
  if (aside) product.c = scratch(Scratch::kOutput, product.m * product.n);
  else product.rounded = result;
  product.ldc = aside ? product.n : pitch;
}

// One row or a few: blocks of outputs, each read once by one thread.
template <class T>
void forward_of_one_row(const LinearForward<T>& args) {
  const LinearShape& s = args.shape;
  const T* x = activated(s, args.prologue, args.x);
  // A block is worth waking a thread for: microseconds of products.
  constexpr std::int64_t kFewest = 32, kLeastWeights = 1 << 15;
  const std::int64_t outputs = std::max(kFewest, kLeastWeights / std::max<std::int64_t>(s.in_features, 1));
  parallel_for(pieces_of(s.out_features, outputs), [&](std::int64_t block) {
    const std::int64_t first = block * outputs;
    dot_rows(DotRows<T>{.rows = s.rows, .k = s.in_features, .outputs = std::min(outputs, s.out_features - first), .x = x,
                        .weight = args.weight + first * s.in_features, .bias = args.bias ? args.bias + first : nullptr, .y = args.y + first,
                        .ldy = s.out_features});
  });
}

// Few rows: y^T = W x^T. The long rows of W are the left operand, which oneDNN reads twice as fast as the right one.
template <class T>
void forward_of_few_rows(const LinearForward<T>& args) {
  const LinearShape& s = args.shape;
  const std::int64_t in = s.in_features, out = s.out_features;
  const T* x = activated(s, args.prologue, args.x);
  const std::int64_t width = block_columns(out, 128);
  parallel_for(pieces_of(out, width), [&](std::int64_t block) {
    const std::int64_t first = block * width, columns = std::min(width, out - first);
    float* transposed = scratch(Scratch::kOutput, columns * s.rows);
    gemm(Gemm<T>{.m = columns,
                 .n = s.rows,
                 .k = in,
                 .a = args.weight + first * in,
                 .lda = in,
                 .b = x,
                 .ldb = in,
                 .transpose_b = true,
                 .c = transposed,
                 .ldc = s.rows});
    const Rows rows{s.rows, columns, out};
    if constexpr (std::is_same_v<T, float>) {
      transpose(columns, s.rows, transposed, s.rows, args.y + first, out);
      if (args.bias) add_bias(rows, args.bias + first, args.y + first);
    } else {
      float* product = scratch(Scratch::kPanel, s.rows * columns);
      transpose(columns, s.rows, transposed, s.rows, product, columns);
      round_rows(rows, product, columns, args.bias ? args.bias + first : nullptr, args.y + first);
    }
  });
}

// statistics may be null.
template <class T>
void forward(const LinearForward<T>& args, PieceStatistics* statistics) {
  const LinearShape& s = args.shape;
  const std::int64_t in = s.in_features, out = s.out_features;
  if (s.rows <= kMostDotRows) return forward_of_one_row(args);
  if (s.rows < kFewestPackedRows) return forward_of_few_rows(args);
  const WeightProduct<T> product({args.weight, in, out, true});
  const ProductCut cut(s.rows, in, out, kPanelStep);
  const bool whole_rows = cut.groups == 1;
  if (statistics && whole_rows) statistics->start(cut.panels);
  parallel_for(cut.panels * cut.groups, [&](std::int64_t piece) {
    const std::int64_t first = piece / cut.groups * cut.panel, rows = std::min(cut.panel, s.rows - first);
    const std::int64_t column = piece % cut.groups * cut.columns, columns = std::min(cut.columns, out - column);
    product.run(rows, activated_panel(s, args.prologue, args.x, first, rows), column, columns, args.bias ? args.bias + column : nullptr,
                args.y + first * out + column, out);
    if (statistics && whole_rows) statistics->add(piece, rows, args.y + first * out);
  });
}

template <class T>
void forward_statistics(const LaunchContext& context, const LinearForwardStatistics<T>& args) {
  const LinearShape& s = args.forward.shape;
  forward_with_statistics(context, {s.rows, s.out_features}, args.forward.y, args.statistics,
                          [&](PieceStatistics* statistics) { forward(args.forward, statistics); });
}

// Where sums are masked or added before they are what is wanted, they are put aside first; in float an unmasked result may be masked in its place.
template <class T>
bool sums_aside(const LinearBackwardInput<T>& args) {
  return args.accumulate == Accumulate::kAdd || (std::is_same_v<T, bf16> && args.prologue.relu);
}

// grad_x of `rows` x `columns` from the sums of its product.
template <class T>
void mask_sums(const LinearBackwardInput<T>& args, std::int64_t first_row, std::int64_t first_column, std::int64_t rows, std::int64_t columns,
               const float* sums, std::int64_t pitch) {
  const std::int64_t in = args.shape.in_features, at = first_row * in + first_column;
  mask_rows(columns_from(as_float(args.prologue), first_column), {rows, columns, in}, args.prologue.relu ? args.x + at : nullptr, sums, pitch,
            args.grad_x + at, args.accumulate);
}

template <class T>
void backward_input_of_few_rows(const LinearBackwardInput<T>& args) {
  const LinearShape& s = args.shape;
  const bool aside = sums_aside(args);
  const std::int64_t width = block_columns(s.in_features, 256);
  parallel_for(pieces_of(s.in_features, width), [&](std::int64_t block) {
    const std::int64_t first = block * width, columns = std::min(width, s.in_features - first);
    Gemm<T> product{.m = s.rows,
                    .n = columns,
                    .k = s.out_features,
                    .a = args.grad_y,
                    .lda = s.out_features,
                    .b = args.weight + first,
                    .ldb = s.in_features};
    send(product, args.grad_x + first, aside, s.in_features);
    gemm(product);
    if (args.prologue.relu || aside) mask_sums(args, 0, first, s.rows, columns, product.c, product.ldc);
  });
}

template <class T>
void backward_input(const LinearBackwardInput<T>& args) {
  const LinearShape& s = args.shape;
  const std::int64_t in = s.in_features, out = s.out_features;
  if (s.rows < kFewestPackedRows) return backward_input_of_few_rows(args);
  const bool aside = sums_aside(args);
  const WeightProduct<T> product({args.weight, out, in, false});
  const ProductCut cut(s.rows, out, in, kPanelStep);
  parallel_for(cut.panels * cut.groups, [&](std::int64_t piece) {
    const std::int64_t first = piece / cut.groups * cut.panel, rows = std::min(cut.panel, s.rows - first);
    const std::int64_t column = piece % cut.groups * cut.columns, columns = std::min(cut.columns, in - column);
    const T* grad_y = args.grad_y + first * out;
    T* grad_x = args.grad_x + first * in + column;
    if (aside) {
      float* sums = scratch(Scratch::kOutput, rows * columns);
      product.sums(rows, grad_y, column, columns, sums, columns);
      mask_sums(args, first, column, rows, columns, sums, columns);
      return;
    }
    product.run(rows, grad_y, column, columns, nullptr, grad_x, in);
    if constexpr (std::is_same_v<T, float>) {
      if (args.prologue.relu) mask_sums(args, first, column, rows, columns, grad_x, in);
    }
  });
}

template <class T>
void backward_weight_of_few_rows(const LinearBackwardWeight<T>& args) {
  const LinearShape& s = args.shape;
  const float beta = args.accumulate == Accumulate::kAdd ? 1.0F : 0.0F;
  const T* x = activated(s, args.prologue, args.x);
  const std::int64_t width = block_columns(s.out_features, 16);
  parallel_for(pieces_of(s.out_features, width), [&](std::int64_t block) {
    const std::int64_t first = block * width, columns = std::min(width, s.out_features - first);
    gemm(Gemm<T>{.m = columns,
                 .n = s.in_features,
                 .k = s.rows,
                 .a = args.grad_y + first,
                 .lda = s.out_features,
                 .transpose_a = true,
                 .b = x,
                 .ldb = s.in_features,
                 .beta = beta,
                 .c = args.grad_weight + first * s.in_features,
                 .ldc = s.in_features});
    if (args.grad_bias) {
      if (args.accumulate == Accumulate::kWrite) std::fill_n(args.grad_bias + first, columns, 0.0F);
      add_column_sums({s.rows, columns, s.out_features}, args.grad_y + first, args.grad_bias + first);
    }
  });
}

template <class T>
void backward_weight(const LinearBackwardWeight<T>& args) {
  const LinearShape& s = args.shape;
  if (s.rows < kFewestPackedRows) return backward_weight_of_few_rows(args);
  // Groups, but not more than two: each packs the same rows of x.
  constexpr std::int64_t kMostGroups = 2;
  weight_gradient(WeightGradient<T>{s, args.grad_y, args.grad_weight, args.grad_bias, args.accumulate}, WeightCut(s, args.grad_bias != nullptr, 1, kMostGroups),
                  [&](std::int64_t first, std::int64_t rows) { return activated_panel(s, args.prologue, args.x, first, rows); });
}

}  // namespace

void linear_forward(const LaunchContext&, const LinearForward<float>& args) {
  forward(args, nullptr);
}
void linear_forward(const LaunchContext&, const LinearForward<bf16>& args) {
  forward(args, nullptr);
}
void linear_forward_statistics(const LaunchContext& context, const LinearForwardStatistics<float>& args) {
  forward_statistics(context, args);
}
void linear_forward_statistics(const LaunchContext& context, const LinearForwardStatistics<bf16>& args) {
  forward_statistics(context, args);
}
void linear_backward_input(const LaunchContext&, const LinearBackwardInput<float>& args) { backward_input(args); }
void linear_backward_input(const LaunchContext&, const LinearBackwardInput<bf16>& args) { backward_input(args); }
void linear_backward_weight(const LaunchContext&, const LinearBackwardWeight<float>& args) { backward_weight(args); }
void linear_backward_weight(const LaunchContext&, const LinearBackwardWeight<bf16>& args) { backward_weight(args); }

}  // namespace sepia::kernels::cpu
