#include "tests/simt/scenario.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <sstream>
#include <stdexcept>

namespace sepia::test {
namespace {

void* symbol(const char* name) {
  static void* const library = dlopen(SEPIA_BINARY_DIR "/libsepia_simt_selftest.so", RTLD_NOW);
  if (!library) throw std::runtime_error(dlerror());
  return dlsym(library, name);
}

}  // namespace

const SimtControl& emulator() {
  static const auto get = reinterpret_cast<const SimtControl* (*)()>(symbol("simt_control"));
  return *get();
}

SimtKernelCounters Outcome::of(const std::string& kernel) const {
  for (const SimtKernelCounters& c : counters) {
    if (std::string(c.kernel).starts_with(kernel)) return c;
  }
  return {};
}

std::string Outcome::text() const {
  std::string all;
  for (const std::string& fault : faults) all += fault + "\n";
  return all;
}

Outcome run_scenario(const std::string& name, std::uint64_t seed, bool counting, std::string* complaints) {
  static const auto run = reinterpret_cast<const char* (*)(const char*)>(symbol("simt_run_scenario"));
  const SimtControl& control = emulator();
  control.reset();
  control.set_seed(seed);
  control.set_counting(counting);
  const char* complaint = run(name.c_str());
  if (complaints) {
    *complaints = complaint;
  } else {
    EXPECT_STREQ(complaint, "") << "scenario " << name;
  }
  Outcome outcome;
  std::vector<char> text(1 << 16);
  control.faults(text.data(), text.size());
  std::istringstream lines(text.data());
  for (std::string line; std::getline(lines, line);) outcome.faults.push_back(line);
  outcome.counters.resize(control.counters(nullptr, 0));
  control.counters(outcome.counters.data(), outcome.counters.size());
  control.set_counting(0);
  control.reset();
  return outcome;
}

}  // namespace sepia::test
