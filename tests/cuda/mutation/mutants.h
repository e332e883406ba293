// The switches that list_mutants.awk puts into a kernel file: every place that can be broken asks whether it is the broken one. So all
// mutants of all files are built once, and one is chosen when the program runs (Untch, Offutt and Harrold 1993, "Mutation analysis using
// mutant schemata").
//
//     a < b                 a < Border<7>{} < b            as a <= b in mutant 7
//     a + b                 a + Term<8>{} + b              as a in mutant 8, if the sum is a floating-point number; else no mutant
//     fmaf(a, b, c)         multiply_add<9>(a, b, c)       as c in mutant 9
//     __syncthreads();      SEPIA_MUTANT_LEAVES_OUT(10) __syncthreads();
//
// The environment says which: SEPIA_MUTANT=7. With SEPIA_MUTANT=-1 nothing is broken, and the program writes to the file that
// SEPIA_MUTANT_NOTES names the mutants that would have made a difference, at least for the moment: those whose comparison or sum would
// have come out otherwise, whose barrier was passed. A test that notes nothing of a mutant runs with it exactly as without.
//
// Expressions that the compiler evaluates (array sizes, `if constexpr`) are not switched.
#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>

namespace sepia::mutation {

inline constexpr int kMostMutants = 4096;
extern int broken;                         ///< which mutant; 0: none; below 0: none, but notes are taken
extern unsigned char noted[kMostMutants];  ///< those that would have made a difference

/// Whether place `id` is the broken one. When notes are taken and the place `differs`, notes it. Inner loops ask this: assembler, because
/// it neither costs a call nor is seen by the emulator's hooks.
[[gnu::always_inline]] inline bool chosen(int id, bool differs) {
  int number;
  asm("movl %1, %0" : "=r"(number) : "m"(broken));
  if (number < 0 && differs) asm volatile("movb $1, %0" : "=m"(noted[id]));
  return number == id;
}

/// Says that mutant `id` exists. Called before main(), by the sums that are floating-point numbers.
bool exists(int id);

template <int id>
struct Existing {
  static inline const bool value = exists(id);
};

template <class T>
bool differ(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) != 0;
}

template <int id>
struct Border {};
template <int id>
struct Term {};

template <int id, class X>
struct LeftOfBorder {
  X x;
};
template <int id, class X>
struct LeftOfTerm {
  X x;
};

// One pair of operators each; precedence and order of evaluation stay as they were, for the operator does.
#define SEPIA_MUTANT_COMPARISON(op, mutated_op)                                     \
  template <int id, class X>                                                        \
  [[gnu::always_inline]] constexpr LeftOfBorder<id, X> operator op(X x, Border<id>) { \
    return {x};                                                                     \
  }                                                                                 \
  template <int id, class X, class Y>                                               \
  [[gnu::always_inline]] constexpr bool operator op(LeftOfBorder<id, X> left, Y y) { \
    const bool original = left.x op y;                                              \
    if (std::is_constant_evaluated()) return original;                              \
    const bool mutated = left.x mutated_op y;                                       \
    return chosen(id, original != mutated) ? mutated : original;                    \
  }
SEPIA_MUTANT_COMPARISON(<, <=)
SEPIA_MUTANT_COMPARISON(<=, <)
SEPIA_MUTANT_COMPARISON(>, >=)
SEPIA_MUTANT_COMPARISON(>=, >)
#undef SEPIA_MUTANT_COMPARISON

#define SEPIA_MUTANT_SUM(op)                                                    \
  template <int id, class X>                                                    \
  [[gnu::always_inline]] constexpr LeftOfTerm<id, X> operator op(X x, Term<id>) { \
    return {x};                                                                 \
  }                                                                             \
  template <int id, class X, class Y>                                           \
  [[gnu::always_inline]] constexpr auto operator op(LeftOfTerm<id, X> left, Y y) { \
    const auto original = left.x op y;                                          \
    using Sum = std::remove_const_t<decltype(original)>;                        \
    if constexpr (std::is_floating_point_v<Sum>) {                              \
      if (std::is_constant_evaluated()) return original;                        \
      static_cast<void>(&Existing<id>::value);                                  \
      const Sum mutated = static_cast<Sum>(left.x);                             \
      return chosen(id, differ(original, mutated)) ? mutated : original;        \
    } else {                                                                    \
      return original;                                                          \
    }                                                                           \
  }
SEPIA_MUTANT_SUM(+)
SEPIA_MUTANT_SUM(-)
#undef SEPIA_MUTANT_SUM

template <int id>
[[gnu::always_inline]] inline float multiply_add(float a, float b, float c) {
  const float original = fmaf(a, b, c);
  return chosen(id, differ(original, c)) ? c : original;
}

}  // namespace sepia::mutation

// Before a statement, which may be the branch of an `if` that has an `else`.
#define SEPIA_MUTANT_LEAVES_OUT(id)        \
  if (::sepia::mutation::chosen(id, true)) \
    ;                                      \
  else
