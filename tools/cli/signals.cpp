#include "tools/cli/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string_view>
#include <thread>

namespace sepia::cli {
namespace {

// Set by the waiting thread, read between steps by the one that trains.
std::atomic<int> received{0};

void end_at_once(int signal_number) { ::_exit(128 + signal_number); }

void install() {
  struct sigaction action = {};
  action.sa_handler = end_at_once;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

void wait_for_signals(const std::atomic<bool>& done) {
  const sigset_t set = stop_signals();
  constexpr timespec kLookUp{.tv_sec = 0, .tv_nsec = 20'000'000};  // how long a GracefulStop's end may wait for this thread
  while (!done) {
    const int signal_number = ::sigtimedwait(&set, nullptr, &kLookUp);
    if (signal_number <= 0) continue;
    int none = 0;
    if (!received.compare_exchange_strong(none, signal_number)) ::_exit(128 + signal_number);
    constexpr std::string_view kNote = "\nstopping after this step (once more to stop at once)\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kNote.data(), kNote.size());
  }
}

}  // namespace

struct GracefulStop::Waiter {
  std::atomic<bool> done{false};
  sigset_t mask_before{};
  std::thread thread;
};

void exit_on_signals() { install(); }

// No handler runs on a thread that computes: the signals are blocked there, in all threads made from now on too, and one thread
// waits for them. (A handler in the middle of a matrix product has been seen to leave memory overwritten.)
GracefulStop::GracefulStop() : waiter_(std::make_unique<Waiter>()) {
  received = 0;
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, &waiter_->mask_before);
  waiter_->thread = std::thread([waiter = waiter_.get()] { wait_for_signals(waiter->done); });
}

GracefulStop::~GracefulStop() {
  waiter_->done = true;
  waiter_->thread.join();
  ::pthread_sigmask(SIG_SETMASK, &waiter_->mask_before, nullptr);
}

bool stop_requested() { return received != 0; }

int stop_exit_code() { return received == 0 ? 0 : 128 + received; }

}  // namespace sepia::cli
