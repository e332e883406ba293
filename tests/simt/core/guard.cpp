#include "tests/simt/core/guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <string>

#include "tests/simt/core/fault.h"
#include "tests/simt/core/forever.h"
#include "tests/simt/core/memory.h"
#include "tests/simt/core/running.h"

namespace simt::core {
namespace {

int open_depth = 0;
Forever<std::map<std::uint64_t, HostRange>> the_guarded;
auto& guarded = the_guarded.get();
bool pages_lifted = false;  ///< the emulator itself came by a guarded page

/// What the signal handler leaves for collect_host_touches; it may allocate nothing.
struct Touch {
  std::uintptr_t address;
  bool device;      ///< device memory; else page-locked memory
  bool of_written;  ///< that a copy fills
};
std::array<Touch, 64> touches;
std::atomic<std::size_t> touch_count{0};
struct sigaction previous;

std::uintptr_t page_size() {
  static const auto size = static_cast<std::uintptr_t>(getpagesize());
  return size;
}

void protect(const HostRange& range, int protection) {
  const std::uintptr_t first = range.begin / page_size() * page_size();
  const std::uintptr_t last = (range.begin + range.bytes + page_size() - 1) / page_size() * page_size();
  mprotect(reinterpret_cast<void*>(first), last - first, protection);
}

void close_range(const HostRange& range) { protect(range, range.written ? PROT_NONE : PROT_READ); }

void protect_device(int protection) {
  if (running.global.bytes) mprotect(reinterpret_cast<void*>(running.global.begin), running.global.bytes, protection);
}

bool device_is_closed = false;
double spent_closing = 0;  ///< seconds of processor time

double seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Opening and closing takes a time that grows with the memory in use. It may take a twentieth of all time; when it has taken more,
/// device memory stays open for a while.
bool closing_is_affordable() {
  static const double begin = seconds(CLOCK_MONOTONIC);
  return spent_closing < 0.05 + 0.05 * (seconds(CLOCK_MONOTONIC) - begin);
}

void set_device_closed(bool closed) {
  const double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
  protect_device(closed ? PROT_NONE : PROT_READ | PROT_WRITE);
  device_is_closed = closed;
  spent_closing += seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
}

void note_touch(const Touch& touch) {
  const std::size_t place = touch_count.fetch_add(1);
  if (place < touches.size()) touches[place] = touch;
}

/// Whether the address is on a guarded page; lets the access through.
bool let_through(std::uintptr_t address) {
  if (running.global.contains(address)) {
    if (open_depth > 0) return false;
    note_touch({address, true, false});
    protect_device(PROT_READ | PROT_WRITE);
    device_is_closed = false;
    return true;
  }
  const std::uintptr_t page = address / page_size();
  bool found = false;
  for (const auto& [number, range] : guarded) {
    if (page < range.begin / page_size() || page > (range.begin + range.bytes - 1) / page_size()) continue;
    found = true;
    if (open_depth > 0) {
      pages_lifted = true;
    } else if (address - range.begin < range.bytes) {
      note_touch({address, false, range.written});
    }
    protect(range, PROT_READ | PROT_WRITE);
  }
  return found;
}

void on_segmentation_fault(int signal_number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (let_through(address)) return;
  if (address - running.stacks_begin < running.stacks_bytes) {
    static const char text[] = "simt: a thread of a kernel needs more local memory than its stack has\n";
    static_cast<void>(write(STDERR_FILENO, text, sizeof text - 1));
  }
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(signal_number, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal_number);
  } else {
    signal(SIGSEGV, SIG_DFL);  // the access is made again, and ends the process
  }
}

void install_handler() {
  static const bool once = [] {
    struct sigaction action {};
    action.sa_sigaction = on_segmentation_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &previous);
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace

DeviceMemoryOpen::DeviceMemoryOpen() {
  install_handler();
  if (open_depth++ == 0 && device_is_closed) set_device_closed(false);
}

DeviceMemoryOpen::~DeviceMemoryOpen() {
  if (--open_depth > 0) return;
  if (closing_is_affordable()) set_device_closed(true);
  close_host_pages();
}

void guard_host_range(std::uint64_t number, const HostRange& range) {
  install_handler();
  guarded[number] = range;
  if (open_depth == 0) close_range(range);
}

void release_host_range(std::uint64_t number) {
  const auto found = guarded.find(number);
  if (found == guarded.end()) return;
  protect(found->second, PROT_READ | PROT_WRITE);
  guarded.erase(found);
  pages_lifted = true;  // a neighbour's page may just have been opened
  if (open_depth == 0) close_host_pages();
}

void close_host_pages() {
  if (!pages_lifted) return;
  pages_lifted = false;
  for (const auto& [number, range] : guarded) {
    if (!range.written) close_range(range);
  }
  for (const auto& [number, range] : guarded) {
    if (range.written) close_range(range);
  }
}

void collect_host_touches() {
  const std::size_t count = std::min(touch_count.exchange(0), touches.size());
  for (std::size_t i = 0; i < count; ++i) {
    const Touch& touch = touches[i];
    if (touch.device) {
      const Place place = find_place(touch.address);
      report_fault("host touches device memory: byte " + std::to_string(touch.address - place.begin) + " of allocation " +
                   std::to_string(place.number));
    } else {
      report_fault(std::string("missing wait: the host ") + (touch.of_written ? "touches" : "overwrites") +
                   " page-locked memory that an asynchronous copy " + (touch.of_written ? "fills" : "reads") +
                   ", before it has waited for the copy");
    }
  }
}

SignalStack::SignalStack() {
  static char memory[64 * 1024];
  stack_t now{};
  if (sigaltstack(nullptr, &now) != 0 || !(now.ss_flags & SS_DISABLE)) return;
  stack_t mine{};
  mine.ss_sp = memory;
  mine.ss_size = sizeof memory;
  mine_ = sigaltstack(&mine, nullptr) == 0;
}

SignalStack::~SignalStack() {
  if (!mine_) return;
  stack_t off{};
  off.ss_flags = SS_DISABLE;
  sigaltstack(&off, nullptr);
}

}  // namespace simt::core
