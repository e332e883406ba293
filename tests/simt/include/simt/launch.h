// Kernel launches. There is no <<<>>> in C++, so a launch is a function call.
#pragma once

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>

#include "simt/runtime_api.h"

namespace simt {

/// Puts a kernel into the stream's queue (or into the graph that the stream records). `body` calls the kernel once with its
/// arguments, which it holds by value; the emulator calls it for every thread. `kernel` is the address of the __global__
/// function: it names the kernel in faults and counters.
cudaError_t launch(const void* kernel, dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream, std::function<void()> body);

/// kernel<<<grid, block, shared_bytes, stream>>>(arguments...).
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  std::tuple<std::decay_t<Parameters>...> held(std::forward<Arguments>(arguments)...);
  return launch(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, stream,
                std::function<void()>([kernel, held] { std::apply(kernel, held); }));
}

/// Tells the emulator that a pool of the program's own has taken back (part of) an allocation: its contents count as never
/// written until written again.
void forget(void* pointer, std::size_t bytes);

}  // namespace simt
