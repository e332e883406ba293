// A backend proves itself on the machine at hand: every operation's cases against the reference kernels in double.
#pragma once

#include <string>
#include <vector>

#include "kernels/backend.h"

namespace sepia::tools {

/// One operation's cases on a backend, in one type.
struct Verification {
  std::string op;
  std::string precision;    ///< "fp32" or "bf16"
  int cases = 0;
  int passed = 0;
  std::string first_fault;  ///< "3x3 stride 2: grad_x[17] is 0.25, expected 0.5"; empty when all passed
};

/// Runs the cases of all operations in float on `backend`, and in bf16 where it has such kernels; tolerances follow the number of
/// terms an element adds up.
std::vector<Verification> verify_backend(const kernels::Backend& backend);

}  // namespace sepia::tools
