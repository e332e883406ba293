// hold(v): included once per instruction set by kernel files (Highway's foreach_target), hence no #pragma once.
#if defined(SEPIA_KERNELS_CPU_REGISTER_HOLD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SEPIA_KERNELS_CPU_REGISTER_HOLD_INL_H_
#undef SEPIA_KERNELS_CPU_REGISTER_HOLD_INL_H_
#else
#define SEPIA_KERNELS_CPU_REGISTER_HOLD_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu {
namespace HWY_NAMESPACE {

/// Keeps a loaded vector in its register: left alone, the compiler loads it anew for each product that uses it, and the loads
/// become the bound.
HWY_INLINE void hold(hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::ScalableTag<float>>& v) {
#if HWY_ARCH_X86 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG) && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  asm("" : "+v"(v.raw));
#else
  (void)v;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace sepia::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif
