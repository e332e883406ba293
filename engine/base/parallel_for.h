// The one way of using several cores inside a kernel.
//
// Work is cut into `count` pieces that depend on the shape of the data alone, never on the number of threads; pieces write
// to places of their own (or to partial sums that are added in piece order afterwards). So results are the same, to the
// bit, for any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>

namespace sepia {

/// Threads that parallel_for uses from now on; 0 asks for the number of processors this process may run on.
void set_num_threads(int threads);
int num_threads();

namespace detail {
void parallel_for_impl(std::int64_t count, void (*body)(void*, std::int64_t), void* context);
}

/// Calls body(i) for i in [0, count) on up to num_threads() threads and returns when all are done. Calls inside a body run
/// serially. An exception in a body is rethrown here (the first one). The body is not copied and nothing is allocated.
template <class Body>
void parallel_for(std::int64_t count, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_for_impl(
      count, [](void* context, std::int64_t i) { (*static_cast<Plain*>(context))(i); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// Pieces of at most `grain` items that cover `items`: how kernels cut rows into panels.
constexpr std::int64_t pieces_of(std::int64_t items, std::int64_t grain) { return (items + grain - 1) / grain; }

}  // namespace sepia
