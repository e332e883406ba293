// What the benchmarks of memory-bound kernels share: rates in bytes, and the copy that they are compared with.
//
// Bytes are the least that the kernel must move, each array once. `of_copy` is the share of the rate that one large copy per
// thread reaches in the same run (read and written bytes both counted); arrays in cache can exceed it. `best` is the fastest call.
#pragma once

#include <cstring>
#include <string>
#include <utility>

#include "bench/bench_support.h"

namespace sepia::bench {

/// Bytes per second, read and written, of copying 64 MiB per thread: the best of a few; measured once per run.
inline double copy_ceiling(int threads) {
  static std::map<int, double> measured;
  if (measured.contains(threads)) return measured[threads];
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const std::vector<std::vector<char>> from(threads, std::vector<char>(kBytes, 1));
  std::vector<std::vector<char>> to(threads, std::vector<char>(kBytes, 2));
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 8; ++i) {
    const double start = seconds(threads);
    parallel_for(threads, [&](std::int64_t t) { std::memcpy(to[t].data(), from[t].data(), kBytes); });
    best = std::min(best, seconds(threads) - start);
  }
  return measured[threads] = 2.0 * static_cast<double>(kBytes) * threads / best;
}

/// Times `run`, which must move `bytes`. The first call is not timed: scratch grows then.
template <class Run>
void time_memory_kernel(benchmark::State& state, double bytes, Run&& run) {
  const int threads = static_cast<int>(state.range(0));
  set_num_threads(threads);
  const double ceiling = copy_ceiling(threads);
  run();
  double best = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    const double start = seconds(threads);
    run();
    benchmark::ClobberMemory();
    best = std::min(best, seconds(threads) - start);
  }
  state.counters["bytes/s"] = benchmark::Counter(bytes * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["best_ms"] = 1e3 * best;
  state.counters["best_of_copy"] = bytes / best / ceiling;
  set_num_threads(0);
}

/// A kernel on both backends, over a program's own Data, and the floats that it moves for one element.
template <template <class> class Data>
struct MemoryKernel {
  const char* name;
  double floats;
  void (*fast)(Data<float>&);
  void (*exact)(Data<double>&);
};

/// Registers `run(state)` under `name` with one thread and with two.
template <class Run>
void register_kernel(const std::string& name, Run run) {
  for (const int threads : {1, 2}) {
    auto* registered = benchmark::RegisterBenchmark(name.c_str(), run);
    registered->Unit(benchmark::kMillisecond)->ArgName("threads")->Arg(threads);
    if (threads > 1) registered->UseRealTime();
  }
}

/// Registers bench(state, layer, first) for every layer under "kernel/layer/first", then as the second of the two.
template <class Layers, class Bench>
void register_layers(const std::string& kernel, const Layers& layers, const char* first, const char* second, Bench bench) {
  for (const auto& layer : layers) {
    for (const bool is_first : {true, false}) {
      register_kernel(kernel + "/" + layer.name + "/" + (is_first ? first : second), [&layer, is_first, bench](benchmark::State& state) { bench(state, layer, is_first); });
    }
  }
}

/// What every program does once its benchmarks are registered.
inline int run_benchmarks(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

constexpr const char* kDiffers = "the result differs from the reference kernel";

}  // namespace sepia::bench
