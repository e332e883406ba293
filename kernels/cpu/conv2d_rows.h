// Some rows of a dense convolution with few inputs, for kernels that go on with them while they are in the cache.
#pragma once

#include "kernels/cpu/input_rows.h"
#include "kernels/cpu/scratch.h"

namespace sepia::kernels::cpu {

/// A convolution (conv2d_has_few_inputs) made ready: made by the thread that calls the kernel, used by all. args.y is not used.
template <class T>
class Conv2dRows {
 public:
  /// Its filters, in another order, lie in scratch slot `filters` of the calling thread.
  Conv2dRows(const Conv2dForward<T>& args, Scratch filters);

  /// Output rows [begin, end) of picture n, to `out`: (end - begin, out_width, out_channels). On the calling thread; takes its scratch slot `input`.
  void run(std::int64_t n, std::int64_t begin, std::int64_t end, T* out, Scratch input) const;

 private:
  const Conv2dForward<T>& args_;
  InputRows<T> input_;
  const float* filters_;
};

}  // namespace sepia::kernels::cpu
