// How the test program reaches the scenarios.
#include <cstring>

#include "tests/simt/kernels/selftest.h"

/// Runs one scenario; false if there is none of that name.
extern "C" __attribute__((visibility("default"))) bool simt_run_scenario(const char* name) {
  for (const selftest::Scenario* s = selftest::Scenario::first(); s; s = s->next) {
    if (std::strcmp(s->name, name) == 0) {
      s->run();
      return true;
    }
  }
  return false;
}
