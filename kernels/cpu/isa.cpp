#include "kernels/cpu/isa.h"

#include <hwy/targets.h>
#include <oneapi/dnnl/dnnl.h>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "engine/base/error.h"

namespace sepia::kernels::cpu {
namespace {

std::string_view setting() {
  const char* value = std::getenv("SEPIA_MAX_ISA");
  return value ? value : "";
}

std::optional<IsaLimit> parse(std::string_view value) {
  if (value.empty()) return IsaLimit::kNone;
  if (value == "avx2") return IsaLimit::kAvx2;
  if (value == "avx512") return IsaLimit::kAvx512;
  if (value == "amx") return IsaLimit::kAmx;
  return std::nullopt;
}

// Both libraries must be told before their first dispatch, hence at load time; a value that cannot be read changes nothing here.
const bool kLimitApplied = [] {
  switch (parse(setting()).value_or(IsaLimit::kNone)) {
    case IsaLimit::kAvx2:
#if HWY_ARCH_X86
      // In Highway's masks a better target has a lower bit: disable all that are better than AVX2.
      hwy::DisableTargets(HWY_AVX2 - 1);
#endif
      dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
      break;
    case IsaLimit::kAvx512:
      dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);
      break;
    case IsaLimit::kAmx:
      dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_amx);
      break;
    case IsaLimit::kNone:
      break;
  }
  return true;
}();

}  // namespace

IsaLimit isa_limit() {
  const auto limit = parse(setting());
  SEPIA_CHECK(limit.has_value(), "SEPIA_MAX_ISA is '", setting(),
              "', expected avx2, avx512 or amx; unset it to use all this processor has");
  return *limit;
}

const char* vector_target_name() {
  const auto supported = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(supported & ~(supported - 1));  // the lowest bit is the best target
}

}  // namespace sepia::kernels::cpu
