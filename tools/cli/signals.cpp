#include "tools/cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

namespace sepia::cli {
namespace {

// Lock-free atomics may be used in a signal handler, and other threads see them.
std::atomic<int> received{0};
std::atomic<bool> graceful{false};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void handle(int signal_number) {
  int none = 0;
  if (!graceful.load() || !received.compare_exchange_strong(none, signal_number)) ::_exit(128 + signal_number);
  const int saved = errno;
  constexpr std::string_view kNote = "\nstopping after this step (once more to stop at once)\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kNote.data(), kNote.size());
  errno = saved;
}

void install() {
  struct sigaction action = {};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a read or write in progress goes on: the step is to finish
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

void exit_on_signals() { install(); }

GracefulStop::GracefulStop() {
  received = 0;
  graceful = true;
  install();
}

GracefulStop::~GracefulStop() { graceful = false; }

bool stop_requested() { return received != 0; }

int stop_exit_code() { return received == 0 ? 0 : 128 + received; }

}  // namespace sepia::cli
