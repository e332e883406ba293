// Which vector instructions the CPU kernels may use.
//
// Highway and oneDNN each look at the processor by themselves and take the best they find. SEPIA_MAX_ISA=avx2|avx512|amx
// sets one upper limit for both, so that a machine with AVX-512 can test and time what an older one would run. The limit is
// applied when the library is loaded, before any kernel has run.
#pragma once

namespace sepia::kernels::cpu {

/// Upper limit on instruction sets; kNone leaves the choice to the processor.
enum class IsaLimit { kNone, kAvx2, kAvx512, kAmx };

/// The limit asked for by the environment variable SEPIA_MAX_ISA (unset or empty: kNone). Any other value than avx2, avx512 or
/// amx is an Error of kind kUsage, raised here and not while the library loads.
IsaLimit isa_limit();

/// "AVX3", "AVX2", ...: the Highway target that the kernels run with on this machine, the limit considered.
const char* vector_target_name();

}  // namespace sepia::kernels::cpu
