// A kernel table that stands in front of a device's own and measures every call: the op cases of the tests (tests/support) run on it
// unchanged. Each kernel is held against the cost of its own arguments (cost.h).
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bench/cuda/cost.h"
#include "bench/cuda/device.h"
#include "tests/support/tolerance.h"
#include "tests/support/workspace.h"

namespace sepia::bench {

/// One call of a kernel of op_list.h.
struct Measured {
  std::string kernel, layer;  ///< "depthwise_conv_forward", "edgenet blocks.0"
  bool bf16 = false;
  Cost cost;
  double seconds = 0;                         ///< on a GPU
  std::vector<SimtKernelCounters> counters;   ///< on the emulator: one per device function that the call launched
};

/// Collects what a MeasuringTable sees.
class Meter {
 public:
  using Told = std::function<void(const Measured&)>;

  /// `stopwatch` null: the emulator counts. `told` hears of each call as soon as it has been measured.
  Meter(const CudaDevice& device, const Stopwatch* stopwatch, Told told) : device_(device), stopwatch_(stopwatch), told_(std::move(told)) {}

  std::string layer;  ///< of the calls that follow
  void call(const char* kernel, bool bf16, const Cost& cost, const std::function<void()>& work);
  const CudaDevice& device() const { return device_; }
  const std::vector<Measured>& measured() const { return measured_; }

 private:
  const CudaDevice& device_;
  const Stopwatch* stopwatch_;
  Told told_;
  std::vector<Measured> measured_;
};

/// The device's table, each call of which goes through `meter` while this object lives. One at a time.
template <class T>
class MeasuringTable {
 public:
  MeasuringTable(Meter& meter) {
    behind_ = meter.device().backend->table<T>();
    meter_ = &meter;
  }
  const kernels::KernelTable<T>& table() const {
#define SEPIA_ENTRY(name, Args)                                                                                        \
  .name = [](const kernels::LaunchContext& context, const kernels::Args<T>& a) {                                       \
    meter_->call(#name, std::is_same_v<T, bf16>, cost(a), [&] { behind_->name(context, a); });                         \
  },
    static const kernels::KernelTable<T> measuring{SEPIA_KERNELS(SEPIA_ENTRY)};
#undef SEPIA_ENTRY
    return measuring;
  }

 private:
  inline static const kernels::KernelTable<T>* behind_ = nullptr;
  inline static Meter* meter_ = nullptr;
};

/// Runs a case twice on the meter's device: first as it is, its results held against the double reference's, then measured. (A kernel
/// that is timed runs many times over, and one that works in place spoils its results by that.) Returns the name of the first result
/// that is wrong, or nothing.
template <class T, class Case>
std::string measure_case(Meter& meter, const Case& op_case) {
  const kernels::Backend& device = *meter.device().backend;
  test::Arrays inputs = op_case.inputs();
  if constexpr (std::is_same_v<T, bf16>) {  // what bf16 holds exactly: both sides then compute with the same numbers
    for (auto& [name, values] : inputs) {
      for (double& value : values) value = static_cast<float>(static_cast<bf16>(static_cast<float>(value)));
    }
  }
  {
    test::Workspace<double> reference(*kernels::reference_backend().float64, kernels::host_memory());
    test::Workspace<T> workspace(*device.table<T>(), device.memory);
    const test::Arrays expected = op_case.run(reference, inputs), actual = op_case.run(workspace, inputs);
    for (const auto& [name, values] : expected) {
      const test::Tolerance tolerance = test::tolerance<T>(op_case.terms(name), values);
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!tolerance.accepts(actual.at(name)[i], values[i])) return name;
      }
    }
  }
  meter.layer = op_case.name;
  const MeasuringTable<T> measuring(meter);
  test::Workspace<T> workspace(measuring.table(), device.memory);
  op_case.run(workspace, inputs);
  return "";
}

}  // namespace sepia::bench
