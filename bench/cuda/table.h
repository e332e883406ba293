// What cuda_bench tells: a line per kernel and layer as CSV and as a table for people, and a plot.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bench/cuda/measure.h"
#include "tools/gpu/cubin.h"

namespace sepia::bench {

/// What the compiler and the emulator's launches say of one call: the device function that moves most bytes stands for it.
struct Resources {
  int registers = 0, shared_bytes = 0;  ///< of the lowest architecture built for; registers 0: not known
  double occupancy[2] = {0, 0};         ///< share of the warps that a multiprocessor of sm_80, sm_90 can hold
};
Resources resources_of(const Measured& call, const std::vector<gpu::KernelFacts>& facts);

/// Sums of a call's counters.
struct Counted {
  double read = 0, written = 0, sectors = 0, wavefronts = 0, conflicts = 0, barriers = 0, tensor_flops = 0;
  double moved() const { return read + written; }
  /// Share of the touched sectors' bytes that was asked for.
  double sectors_used() const { return sectors > 0 ? moved() / (32 * sectors) : 0; }
  /// Share of the shared-memory wavefronts that bank conflicts have caused.
  double conflicting() const { return wavefronts > 0 ? conflicts / wavefronts : 0; }
};
Counted counted(const Measured& call);

/// `copy_rate` in bytes/s: 0 on the emulator.
void write_csv(const std::filesystem::path& file, const std::vector<Measured>& calls, const std::vector<gpu::KernelFacts>& facts, double copy_rate);
/// The table of bench/RESULTS.md: its head, and the row of one call.
std::string markdown_head(double copy_rate);
std::string markdown_row(const Measured& call, const std::vector<gpu::KernelFacts>& facts, double copy_rate);
/// STEM.svg and STEM.png: emulated, bytes moved against the least possible; on a GPU, the share of a copy's rate.
void save_plot(const std::filesystem::path& stem, const std::vector<Measured>& calls, double copy_rate);

}  // namespace sepia::bench
