// Ctrl-C and SIGTERM. A command that can stop in good order asks stop_requested() between steps; all others end at once.
#pragma once

#include <memory>

namespace sepia::cli {

/// From now on the first SIGINT or SIGTERM ends the process at once with exit code 130 or 143. Called by main.
void exit_on_signals();

/// While it lives, the first SIGINT or SIGTERM only sets a flag (and says so on stderr); a second one ends the process at
/// once. One at a time.
class GracefulStop {
 public:
  GracefulStop();
  ~GracefulStop();
  GracefulStop(const GracefulStop&) = delete;
  GracefulStop& operator=(const GracefulStop&) = delete;

 private:
  struct Waiter;
  std::unique_ptr<Waiter> waiter_;
};

/// True once a signal came during a GracefulStop.
bool stop_requested();

/// 130 or 143 after a signal, else 0: what a command returns when it stopped because of it.
int stop_exit_code();

}  // namespace sepia::cli
