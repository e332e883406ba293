// What the microbenchmarks share: data, comparison with the reference kernels, the ceiling that rates are compared with.
//
// Rates are in GFLOP/s of CPU time of the calling thread with one thread, of wall time otherwise; `of_gemm` is the share of what one large
// matrix product per thread reaches in the same run. CSV: --benchmark_format=csv.
#pragma once

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <vector>

#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "kernels/cpu/gemm.h"

namespace sepia::bench {

/// `count` numbers in [-1, 1), a function of `array`.
inline std::vector<float> numbers(std::int64_t count, std::uint32_t array) {
  RandomStream random(11, RandomPurpose::kTest, array);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.next_u32()) * 0x1p-31F - 1.0F;
  return values;
}

/// The same numbers in the type of the reference.
inline std::vector<double> as_double(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// numbers() for benchmarks whose data are templates over the type.
template <class T>
std::vector<T> numbers_as(std::int64_t count, std::uint32_t array) {
  const std::vector<float> values = numbers(count, array);
  return {values.begin(), values.end()};
}

/// Whether each element lies within rounding of a sum of `terms` products of numbers below one.
inline bool agree(const std::vector<float>& actual, const std::vector<double>& expected, std::int64_t terms) {
  const double tolerance = 1e-6 * std::sqrt(static_cast<double>(terms) + 16);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!(std::abs(actual[i] - expected[i]) <= tolerance + 2e-6 * std::abs(expected[i]))) return false;
  }
  return true;
}

/// Seconds: CPU time of this thread (not disturbed by other programs) where one thread does the work, wall time otherwise.
inline double seconds(int threads) {
  timespec now;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// GFLOP/s of a 768^3 product on each of `threads` threads at once, the best of a few; measured once per run.
inline double gemm_ceiling(int threads) {
  static std::map<int, double> measured;
  if (measured.contains(threads)) return measured[threads];
  constexpr std::int64_t kSize = 768;
  const std::vector<float> a = numbers(kSize * kSize, 1), b = numbers(kSize * kSize, 2);
  std::vector<std::vector<float>> c(threads, std::vector<float>(kSize * kSize));
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 8; ++i) {
    const double start = seconds(threads);
    parallel_for(threads, [&](std::int64_t t) {
      kernels::cpu::gemm(
          {.m = kSize, .n = kSize, .k = kSize, .a = a.data(), .lda = kSize, .b = b.data(), .ldb = kSize, .c = c[t].data(), .ldc = kSize});
    });
    best = std::min(best, seconds(threads) - start);
  }
  return measured[threads] = 2e-9 * kSize * kSize * kSize * threads / best;
}

/// Times `run` and reports `flop` operations per call as a rate and as a share of the ceiling. The first call is not timed: scratch grows
/// then.
template <class Run>
void time_kernel(benchmark::State& state, double flop, int threads, Run&& run) {
  set_num_threads(threads);
  const double ceiling = gemm_ceiling(threads);
  run();
  for (auto _ : state) {
    run();
    benchmark::ClobberMemory();
  }
  const double total = flop * static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["of_gemm"] = benchmark::Counter(total / (1e9 * ceiling), benchmark::Counter::kIsRate);
  set_num_threads(0);
}

}  // namespace sepia::bench
