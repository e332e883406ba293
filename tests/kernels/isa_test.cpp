#include "kernels/cpu/isa.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "engine/base/error.h"

namespace sepia::kernels::cpu {
namespace {

// Sets SEPIA_MAX_ISA for one test; what the library loaded with stays in force.
class Setting {
 public:
  explicit Setting(const char* value) : saved_(std::getenv("SEPIA_MAX_ISA") ? std::getenv("SEPIA_MAX_ISA") : "") {
    setenv("SEPIA_MAX_ISA", value, 1);
  }
  ~Setting() { setenv("SEPIA_MAX_ISA", saved_.c_str(), 1); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  std::string saved_;
};

TEST(CpuIsa, KnownNames) {
  const auto limit = [](const char* value) {
    const Setting setting(value);
    return isa_limit();
  };
  EXPECT_EQ(limit(""), IsaLimit::kNone);
  EXPECT_EQ(limit("avx2"), IsaLimit::kAvx2);
  EXPECT_EQ(limit("avx512"), IsaLimit::kAvx512);
  EXPECT_EQ(limit("amx"), IsaLimit::kAmx);
}

TEST(CpuIsa, UnknownNameIsAUsageErrorThatSaysWhatIsKnown) {
  const Setting setting("sse9");
  try {
    isa_limit();
    FAIL() << "accepted sse9";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(std::string(error.what()).find("avx2, avx512 or amx"), std::string::npos) << error.what();
  }
}

TEST(CpuIsa, LimitIsInForce) {
  if (isa_limit() != IsaLimit::kAvx2) GTEST_SKIP() << "SEPIA_MAX_ISA is not avx2";
  EXPECT_STRNE(vector_target_name(), "AVX3");
}

}  // namespace
}  // namespace sepia::kernels::cpu
