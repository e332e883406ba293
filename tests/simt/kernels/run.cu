// How the test program reaches the scenarios.
#include <cstring>

#include "tests/simt/kernels/selftest.h"

/// Runs one scenario; returns what it has to complain of, as text.
extern "C" __attribute__((visibility("default"))) const char* simt_run_scenario(const char* name) {
  selftest::complaints().clear();
  for (const selftest::Scenario* s = selftest::Scenario::first(); s; s = s->next) {
    if (std::strcmp(s->name, name) != 0) continue;
    s->run();
    return selftest::complaints().c_str();
  }
  return "there is no such scenario";
}
