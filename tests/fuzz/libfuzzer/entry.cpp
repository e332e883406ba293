// libFuzzer's entry: the environment variable SEPIA_FUZZ_TARGET names one of kTargets.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/targets.h"

namespace {

const sepia::fuzz::Target& chosen_target() {
  const char* name = std::getenv("SEPIA_FUZZ_TARGET");
  for (const sepia::fuzz::Target& target : sepia::fuzz::kTargets) {
    if (name != nullptr && target.name == name) return target;
  }
  std::fprintf(stderr, "error: SEPIA_FUZZ_TARGET must be one of");
  for (const sepia::fuzz::Target& target : sepia::fuzz::kTargets) std::fprintf(stderr, " %s", std::string(target.name).c_str());
  std::fprintf(stderr, "\n");
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const sepia::fuzz::Target& target = chosen_target();
  target.run(std::as_bytes(std::span(data, size)));
  return 0;
}
