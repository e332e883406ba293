#include "bench/cuda/measure.h"

namespace sepia::bench {

void Meter::call(const char* kernel, bool bf16, const Cost& cost, const std::function<void()>& work) {
  Measured result;
  result.kernel = kernel;
  result.layer = layer;
  result.bf16 = bf16;
  result.cost = cost;
  if (stopwatch_) {
    result.seconds = stopwatch_->seconds(work);
  } else {
    const SimtControl& simt = *device_.simt;
    simt.reset();
    simt.set_counting(1);
    work();
    device_.backend->memory.synchronize({});
    simt.set_counting(0);
    result.counters.resize(simt.counters(nullptr, 0));
    simt.counters(result.counters.data(), result.counters.size());
  }
  for (const Measured& earlier : measured_) {  // a case may call a kernel more than once, each time alike
    if (earlier.kernel == result.kernel && earlier.layer == result.layer && earlier.bf16 == bf16) return;
  }
  told_(result);
  measured_.push_back(std::move(result));
}

}  // namespace sepia::bench
