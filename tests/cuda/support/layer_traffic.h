// The limits of a streaming kernel's traffic, as tests assert them.
#pragma once

#include <cstdio>

#include "tests/cuda/support/device_table.h"

namespace sepia::test {

/// `run` may read and write at most 105% of the least possible bytes, must use 95% of the sectors that it touches, and may have this
/// many bank conflicts per KiB moved (by default next to none: none that grow with its work).
inline void expect_streams(const std::string& what, double least_read, double least_written, const std::function<void()>& run,
                           const std::string& kernel, double conflicts_per_kib = 1.0 / 16) {
  const Traffic traffic = count_traffic(run, kernel);
  const double least = least_read + least_written;
  std::printf("%-44s moved %.3f of the least, sectors used %.3f, bank conflicts %.0f\n", what.c_str(), traffic.moved() / least,
              traffic.sectors_used(), traffic.bank_conflicts);
  EXPECT_GE(traffic.written, 0.999 * least_written) << what << ": " << kernel << " was not counted";
  EXPECT_LE(traffic.moved(), 1.05 * least) << what << " reads " << traffic.read << " (least " << least_read << ") and writes "
                                           << traffic.written << " (least " << least_written << ")";
  EXPECT_GE(traffic.sectors_used(), 0.95) << what;
  EXPECT_LE(traffic.bank_conflicts, 1 + conflicts_per_kib * traffic.moved() / 1024) << what;
}

}  // namespace sepia::test
