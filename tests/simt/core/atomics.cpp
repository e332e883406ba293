#include "tests/simt/include/simt/atomics.h"

#include <algorithm>

#include "tests/simt/core/access.h"
#include "tests/simt/core/block.h"

namespace simt {
namespace {

using namespace core;

/// Memory order of a block-wide kind: an atomic after __threadfence releases what the block wrote, an atomic acquires what
/// earlier ones at the same place released. This is what "the last block adds the partial sums" rests on.
void pass_order(std::uintptr_t address) {
  if (!running.global.contains(address)) return;
  Thread& thread = *machine.current;
  auto found = machine.released.find(address);
  if (found != machine.released.end()) machine.acquired.emplace_back(address, found->second.size());
  if (!thread.fenced) return;
  if (found == machine.released.end()) found = machine.released.try_emplace(address).first;
  const auto me = static_cast<std::uint32_t>(machine.first_segments.size() - 1);
  if (found->second.empty() || found->second.back() != me) found->second.push_back(me);
}

void check_atomic_access(const void* address, unsigned bytes, const void* code) {
  if (!in_kernel()) return;
  switch (bytes) {
    case 2: on_access<Access::kAtomic, 2>(address, code); break;
    case 4: on_access<Access::kAtomic, 4>(address, code); break;
    default: on_access<Access::kAtomic, 8>(address, code);
  }
  pass_order(reinterpret_cast<std::uintptr_t>(address));
}

template <class T>
T combine(T old, T value, AtomicOp op) {
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
      case AtomicOp::kAnd: return old & value;
      case AtomicOp::kOr: return old | value;
      case AtomicOp::kXor: return old ^ value;
      case AtomicOp::kIncrement: return old >= value ? T(0) : T(old + 1);
      case AtomicOp::kDecrement: return old == 0 || old > value ? value : T(old - 1);
      default: break;
    }
  }
  switch (op) {
    case AtomicOp::kAdd: return T(old + value);
    case AtomicOp::kMin: return std::min(old, value);
    case AtomicOp::kMax: return std::max(old, value);
    default: return value;
  }
}

template <class T>
T modify(T* address, T value, AtomicOp op, const void* code) {
  check_atomic_access(address, sizeof(T), code);
  const T old = *address;
  *address = combine(old, value, op);
  return old;
}

template <class T>
T swap_if(T* address, T expected, T desired, const void* code) {
  check_atomic_access(address, sizeof(T), code);
  const T old = *address;
  if (old == expected) *address = desired;
  return old;
}

}  // namespace

int atomic(int* address, int value, AtomicOp op) { return modify(address, value, op, __builtin_return_address(0)); }
unsigned atomic(unsigned* address, unsigned value, AtomicOp op) { return modify(address, value, op, __builtin_return_address(0)); }
unsigned long long atomic(unsigned long long* address, unsigned long long value, AtomicOp op) {
  return modify(address, value, op, __builtin_return_address(0));
}
long long atomic(long long* address, long long value, AtomicOp op) { return modify(address, value, op, __builtin_return_address(0)); }
float atomic(float* address, float value, AtomicOp op) { return modify(address, value, op, __builtin_return_address(0)); }
double atomic(double* address, double value, AtomicOp op) { return modify(address, value, op, __builtin_return_address(0)); }

unsigned short compare_and_swap(unsigned short* address, unsigned short expected, unsigned short desired) {
  return swap_if(address, expected, desired, __builtin_return_address(0));
}
unsigned compare_and_swap(unsigned* address, unsigned expected, unsigned desired) {
  return swap_if(address, expected, desired, __builtin_return_address(0));
}
unsigned long long compare_and_swap(unsigned long long* address, unsigned long long expected, unsigned long long desired) {
  return swap_if(address, expected, desired, __builtin_return_address(0));
}

void fence_device() { core::machine.current->fenced = true; }

}  // namespace simt
