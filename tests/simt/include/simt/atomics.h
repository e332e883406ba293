// Atomics: the emulator runs one thread at a time, so a plain read-modify-write is atomic; what counts is that it is known to
// be meant as one. The access itself is made in code that is not instrumented (core/atomics.cpp).
#pragma once

#include "simt/language.h"

namespace simt {

/// Old value at `address`, which becomes `value` combined with it.
enum class AtomicOp { kAdd, kExchange, kMin, kMax, kAnd, kOr, kXor, kIncrement, kDecrement };
int atomic(int* address, int value, AtomicOp op);
unsigned atomic(unsigned* address, unsigned value, AtomicOp op);
unsigned long long atomic(unsigned long long* address, unsigned long long value, AtomicOp op);
long long atomic(long long* address, long long value, AtomicOp op);
float atomic(float* address, float value, AtomicOp op);
double atomic(double* address, double value, AtomicOp op);
unsigned compare_and_swap(unsigned* address, unsigned expected, unsigned desired);
unsigned short compare_and_swap(unsigned short* address, unsigned short expected, unsigned short desired);
unsigned long long compare_and_swap(unsigned long long* address, unsigned long long expected, unsigned long long desired);

}  // namespace simt

#define SIMT_ATOMIC(name, T, op) \
  SIMT_DEVICE T name(T* address, T value) { return ::simt::atomic(address, value, ::simt::AtomicOp::op); }
#define SIMT_ATOMIC_INTEGERS(name, op) \
  SIMT_ATOMIC(name, int, op) SIMT_ATOMIC(name, unsigned, op) SIMT_ATOMIC(name, unsigned long long, op)

SIMT_ATOMIC_INTEGERS(atomicAdd, kAdd)
SIMT_ATOMIC(atomicAdd, float, kAdd)
SIMT_ATOMIC(atomicAdd, double, kAdd)
SIMT_ATOMIC_INTEGERS(atomicExch, kExchange)
SIMT_ATOMIC(atomicExch, float, kExchange)
SIMT_ATOMIC_INTEGERS(atomicMin, kMin)
SIMT_ATOMIC(atomicMin, long long, kMin)
SIMT_ATOMIC_INTEGERS(atomicMax, kMax)
SIMT_ATOMIC(atomicMax, long long, kMax)
SIMT_ATOMIC_INTEGERS(atomicAnd, kAnd)
SIMT_ATOMIC_INTEGERS(atomicOr, kOr)
SIMT_ATOMIC_INTEGERS(atomicXor, kXor)
SIMT_ATOMIC(atomicInc, unsigned, kIncrement)
SIMT_ATOMIC(atomicDec, unsigned, kDecrement)
#undef SIMT_ATOMIC_INTEGERS
#undef SIMT_ATOMIC

SIMT_DEVICE int atomicSub(int* address, int value) { return atomicAdd(address, -value); }
SIMT_DEVICE unsigned atomicSub(unsigned* address, unsigned value) { return atomicAdd(address, 0u - value); }

SIMT_DEVICE unsigned atomicCAS(unsigned* address, unsigned expected, unsigned desired) {
  return ::simt::compare_and_swap(address, expected, desired);
}
SIMT_DEVICE int atomicCAS(int* address, int expected, int desired) {
  return static_cast<int>(
      ::simt::compare_and_swap(reinterpret_cast<unsigned*>(address), static_cast<unsigned>(expected), static_cast<unsigned>(desired)));
}
SIMT_DEVICE unsigned long long atomicCAS(unsigned long long* address, unsigned long long expected, unsigned long long desired) {
  return ::simt::compare_and_swap(address, expected, desired);
}
SIMT_DEVICE unsigned short atomicCAS(unsigned short* address, unsigned short expected, unsigned short desired) {
  return ::simt::compare_and_swap(address, expected, desired);
}
