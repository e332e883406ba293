// The CUDA backend that a test program of tests/cuda runs on: the emulated device (tests/simt), or the machine's own GPU.
//
// CTest registers test_cuda twice. With SEPIA_CUDA_BACKEND naming libsepia_simt.so the device is emulated and must be there; with
// libsepia_cuda.so it is real, and without a GPU every test says that it was skipped.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "tests/simt/control.h"
#include "tests/support/op_checks.h"

namespace sepia::test {

struct CudaUnderTest {
  const kernels::Backend* backend = nullptr;  ///< null: there is no device, `reason` says why
  const SimtControl* simt = nullptr;          ///< null on a real device
  std::string reason;
};

/// Opened once per program. Throws when the emulated device was asked for and is not there.
const CudaUnderTest& cuda_under_test();

template <class T>
const kernels::KernelTable<T>& cuda_table() { return *cuda_under_test().backend->table<T>(); }

/// What the emulator has found wrong since the last reset, one fault a line; empty on a real device.
std::string emulator_faults();

/// Base of all tests here: skips without a device, begins with a fresh emulator and ends with the check that it found nothing.
class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
};

/// Orders in which the emulator runs blocks, threads between barriers, and streams.
inline constexpr std::uint64_t kSeeds[] = {1, 2, 3};

/// Every result of every case against the double reference, under each seed; the results of all seeds must be the same to the bit,
/// and the emulator must have nothing to say. A real device runs each case as often, for the same reason.
template <class T, class Case>
void expect_cuda_matches_reference(const std::vector<Case>& cases) {
  const CudaUnderTest& cuda = cuda_under_test();
  for (const Case& op_case : cases) {
    SCOPED_TRACE(op_case.name);
    const Arrays inputs = representable<T>(op_case.inputs());
    const Arrays expected = run_case(op_case, inputs, *kernels::reference_backend().float64);
    Arrays first;
    for (const std::uint64_t seed : kSeeds) {
      if (cuda.simt) cuda.simt->set_seed(seed);
      Arrays actual = run_case(op_case, inputs, cuda_table<T>(), cuda.backend->memory, cuda.simt ? Bounds::kDevice : Bounds::kGuarded);
      ASSERT_EQ(emulator_faults(), "");
      if (seed != kSeeds[0]) {
        for (const auto& [name, values] : actual) {
          const Array& before = first.at(name);
          for (std::size_t i = 0; i < values.size(); ++i) {
            ASSERT_TRUE(values[i] == before[i] || (std::isnan(values[i]) && std::isnan(before[i])))
                << name << "[" << i << "] depends on the order in which blocks and threads run: " << values[i] << " and " << before[i];
          }
        }
        continue;
      }
      for (const auto& [name, values] : expected) expect_near(actual.at(name), values, tolerance<T>(op_case.terms(name), values), name);
      if (::testing::Test::HasFailure()) return;  // one case is enough to read
      first = std::move(actual);
    }
  }
}

/// What the kernels of one call asked of global and shared memory, by the emulator's count.
struct Traffic {
  double read = 0, written = 0;            ///< bytes
  double read_sectors = 0, written_sectors = 0;
  double shared_wavefronts = 0, bank_conflicts = 0;  ///< the conflicts are wavefronts beyond the least
  double moved() const { return read + written; }
  /// Share of the fetched sectors' bytes that was asked for.
  double sectors_used() const { return moved() / (32 * (read_sectors + written_sectors)); }
};

/// Counts while `run` runs, over kernels whose name contains `kernel` (all when empty).
Traffic count_traffic(const std::function<void()>& run, const std::string& kernel = "");

}  // namespace sepia::test
