// Faults: noted while kernels run, put into words afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simt/core/access.h"

namespace simt::core {

enum class FaultKind : std::uint8_t {
  kRaceInBlock,
  kRaceBetweenBlocks,
  kRaceBetweenStreams,
  kOutOfBounds,
  kUseAfterFree,
  kNeverWritten,
  kMisaligned,
  kPendingCopy,
  kHostMemory,
  kDivergentBarrier,
  kEarlyReturn,
  kDivergentWarp,
  kTrap,
};

/// A fault as it is noted on the spot: numbers and addresses only, so that it may be noted from a kernel's small stack.
struct FaultNote {
  FaultKind kind{};
  AccessSite site{};           ///< the access; code also for barriers
  std::uint64_t other = 0;     ///< the record it conflicts with
  bool other_is_write = false;
  const void* other_code = nullptr;  ///< of the barrier where others wait
  std::string text{};          ///< for what is not an access
};

/// Notes a fault of the CUDA thread that runs (once per kind and place in each operation). Safe in kernels.
void note_fault(FaultNote note);
/// Notes a fault and leaves the kernel for good.
[[noreturn]] void fatal_fault(FaultNote note);
/// A fault outside kernels, in words.
void report_fault(std::string text);
/// Puts what the operation that just ended has noted into words.
void finish_faults();

/// All faults since the last clear_faults(), one line each.
const std::vector<std::string>& faults();
void clear_faults();

/// Somebody has been told of all faults so far, as text or as an error.
void faults_are_told();
/// At the end of the process, so that no fault gets lost.
void print_untold_faults();

}  // namespace simt::core
