// Arithmetic that CUDA declares without a header of its own. Approximate intrinsics give the exact function here: a test must
// leave them the tolerance that a GPU needs.
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "simt/language.h"

SIMT_DEVICE float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
SIMT_DEVICE double rsqrt(double x) { return 1.0 / std::sqrt(x); }
SIMT_DEVICE float __frsqrt_rn(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
SIMT_DEVICE float __fsqrt_rn(float x) { return std::sqrt(x); }
SIMT_DEVICE float __expf(float x) { return std::exp(x); }
SIMT_DEVICE float __exp2f(float x) { return std::exp2(x); }
SIMT_DEVICE float __logf(float x) { return std::log(x); }
SIMT_DEVICE float __log2f(float x) { return std::log2(x); }
SIMT_DEVICE float __powf(float x, float y) { return std::pow(x, y); }
SIMT_DEVICE float __sinf(float x) { return std::sin(x); }
SIMT_DEVICE float __cosf(float x) { return std::cos(x); }
SIMT_DEVICE float __fdividef(float x, float y) { return x / y; }
SIMT_DEVICE float __fdiv_rn(float x, float y) { return x / y; }
SIMT_DEVICE float __frcp_rn(float x) { return 1.0f / x; }
SIMT_DEVICE float __fadd_rn(float x, float y) { return x + y; }
SIMT_DEVICE float __fsub_rn(float x, float y) { return x - y; }
SIMT_DEVICE float __fmul_rn(float x, float y) { return x * y; }
SIMT_DEVICE float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
SIMT_DEVICE double __dadd_rn(double x, double y) { return x + y; }
SIMT_DEVICE double __dmul_rn(double x, double y) { return x * y; }
SIMT_DEVICE double __fma_rn(double x, double y, double z) { return std::fma(x, y, z); }
SIMT_DEVICE float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }

#define SIMT_MIN_MAX(T)                                     \
  SIMT_DEVICE constexpr T min(T a, T b) { return b < a ? b : a; } \
  SIMT_DEVICE constexpr T max(T a, T b) { return a < b ? b : a; }
SIMT_MIN_MAX(int)
SIMT_MIN_MAX(unsigned)
SIMT_MIN_MAX(long)
SIMT_MIN_MAX(unsigned long)
SIMT_MIN_MAX(long long)
SIMT_MIN_MAX(unsigned long long)
#undef SIMT_MIN_MAX
SIMT_DEVICE float min(float a, float b) { return std::fmin(a, b); }
SIMT_DEVICE float max(float a, float b) { return std::fmax(a, b); }
SIMT_DEVICE double min(double a, double b) { return std::fmin(a, b); }
SIMT_DEVICE double max(double a, double b) { return std::fmax(a, b); }

SIMT_DEVICE int __popc(unsigned x) { return std::popcount(x); }
SIMT_DEVICE int __popcll(unsigned long long x) { return std::popcount(x); }
SIMT_DEVICE int __ffs(int x) { return x ? std::countr_zero(static_cast<unsigned>(x)) + 1 : 0; }
SIMT_DEVICE int __ffsll(long long x) { return x ? std::countr_zero(static_cast<unsigned long long>(x)) + 1 : 0; }
SIMT_DEVICE int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
SIMT_DEVICE int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
SIMT_DEVICE unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1u) << (31 - i);
  return reversed;
}
SIMT_DEVICE unsigned __umulhi(unsigned x, unsigned y) { return static_cast<unsigned>(static_cast<std::uint64_t>(x) * y >> 32); }
SIMT_DEVICE unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<Wide>(x) * y >> 64);
}
SIMT_DEVICE unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const std::uint64_t both = static_cast<std::uint64_t>(y) << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) result |= static_cast<unsigned>(both >> (selector >> 4 * i & 7u) * 8 & 0xffu) << 8 * i;
  return result;
}

SIMT_DEVICE unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
SIMT_DEVICE int __float_as_int(float x) { return std::bit_cast<int>(x); }
SIMT_DEVICE float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
SIMT_DEVICE float __int_as_float(int x) { return std::bit_cast<float>(x); }
SIMT_DEVICE long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
SIMT_DEVICE double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
SIMT_DEVICE int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
SIMT_DEVICE int __float2int_rz(float x) { return static_cast<int>(x); }
SIMT_DEVICE float __int2float_rn(int x) { return static_cast<float>(x); }

// Loads and stores with a caching hint: the hint is lost.
template <class T>
SIMT_DEVICE T __ldg(const T* p) { return *p; }
template <class T>
SIMT_DEVICE T __ldcs(const T* p) { return *p; }
template <class T>
SIMT_DEVICE T __ldca(const T* p) { return *p; }
template <class T>
SIMT_DEVICE T __ldcg(const T* p) { return *p; }
template <class T>
SIMT_DEVICE T __ldlu(const T* p) { return *p; }
template <class T>
SIMT_DEVICE void __stcs(T* p, T value) { *p = value; }
template <class T>
SIMT_DEVICE void __stcg(T* p, T value) { *p = value; }
template <class T>
SIMT_DEVICE void __stwt(T* p, T value) { *p = value; }
