// Runs the scenarios of tests/simt/kernels and looks at what the emulator says about them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simt/control.h"

namespace sepia::test {

/// The emulator inside libsepia_simt_selftest.so.
const SimtControl& emulator();

/// What a scenario left behind.
struct Outcome {
  std::vector<std::string> faults;
  std::vector<SimtKernelCounters> counters;

  /// The counters of the kernel whose name begins so; all zero if there is none.
  SimtKernelCounters of(const std::string& kernel) const;
  /// All faults in one text.
  std::string text() const;
};

/// Runs the scenario under `seed` on a fresh record. Fails the test if a value in it came out wrong, unless `complaints` takes the text.
Outcome run_scenario(const std::string& name, std::uint64_t seed = 0, bool counting = false, std::string* complaints = nullptr);

}  // namespace sepia::test
