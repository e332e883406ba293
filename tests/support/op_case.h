// What the OpCase lists share. An OpCase is plain data (shape, prologue, accumulate, ...) with a name, and says
//
//   inputs()            its input arrays by name, drawn from the names
//   forward(w, inputs)  the forward result on workspace w's backend, as one array: what `grad_y` belongs to
//   run(w, inputs)      every result by name: forward and, for ops that have one, backward
//   terms(result)       how many terms one element of a result adds up, for the tolerance; 0: must be equal
//   gradients()         which result is the gradient at which input
//   work()              multiply-adds of the forward pass, for choosing how many elements a finite difference can afford
//
// for a workspace of any element type and backend. One list per op (op_cases_<op>.h) thus drives the comparison with the
// reference, gradient checks, thread checks and, through the argument structs that a case prepares, benchmarks.
#pragma once

#include <string>
#include <vector>

#include "engine/base/error.h"
#include "tests/support/workspace.h"

namespace sepia::test {

enum class PrologueKind { kNone, kAffine, kRelu, kAffineRelu };
inline constexpr PrologueKind kAllPrologues[] = {PrologueKind::kNone, PrologueKind::kAffine, PrologueKind::kRelu,
                                                 PrologueKind::kAffineRelu};

inline bool has_affine(PrologueKind kind) {
  return kind == PrologueKind::kAffine || kind == PrologueKind::kAffineRelu;
}
inline bool has_relu(PrologueKind kind) {
  return kind == PrologueKind::kRelu || kind == PrologueKind::kAffineRelu;
}

inline std::string describe(PrologueKind kind) {
  switch (kind) {
    case PrologueKind::kNone:
      return "plain";
    case PrologueKind::kAffine:
      return "affine";
    case PrologueKind::kRelu:
      return "relu";
    case PrologueKind::kAffineRelu:
      return "affine+relu";
  }
  return "?";
}
inline std::string describe(kernels::Accumulate accumulate) {
  return accumulate == kernels::Accumulate::kAdd ? "add" : "write";
}

/// Adds the inputs "<prefix>scale" and "<prefix>shift" where the prologue has an affine part.
inline void add_prologue_inputs(Arrays& inputs, const RandomArrays& random, PrologueKind kind, std::int64_t channels,
                                const std::string& prefix = "") {
  if (!has_affine(kind)) return;
  inputs[prefix + "scale"] = random.scales(prefix + "scale", channels);
  inputs[prefix + "shift"] = random.shifts(prefix + "shift", channels);
}

template <class T>
kernels::Prologue<T> upload_prologue(Workspace<T>& w, const Arrays& inputs, PrologueKind kind, const std::string& prefix = "") {
  return {.scale = w.template upload_if_present<Accumulator<T>>(inputs, prefix + "scale"),
          .shift = w.template upload_if_present<Accumulator<T>>(inputs, prefix + "shift"),
          .relu = has_relu(kind)};
}

/// `result` (less what it was added to, the input "<result>_before") is the gradient at `input`, divided by the per-channel
/// input `factor` if that is named: gradients through a prologue are those at its affine output.
struct GradientOf {
  std::string result, input, factor;
};

}  // namespace sepia::test
