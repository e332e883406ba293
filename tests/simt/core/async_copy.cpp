// cp.async: the destination is written when the copy is waited for; until then its records say that a write is under way.
#include <algorithm>
#include <cstring>

#include "tests/simt/core/access.h"
#include "tests/simt/core/block.h"
#include "tests/simt/core/fault.h"
#include "tests/simt/include/simt/device.h"

namespace simt {
namespace {

using namespace core;

template <Access kAccess>
void check(const void* address, unsigned bytes, const void* code) {
  switch (bytes) {
    case 4: on_access<kAccess, 4>(address, code); break;
    case 8: on_access<kAccess, 8>(address, code); break;
    case 16: on_access<kAccess, 16>(address, code); break;
    default: fatal_fault({.kind = FaultKind::kTrap, .site = {.code = code}, .text = "cp.async copies 4, 8 or 16 bytes"});
  }
}

template <class Visit>
void for_each_destination_record(const PendingCopy& copy, Visit visit) {
  const auto address = reinterpret_cast<std::uintptr_t>(copy.destination);
  const Window& window = running.dynamic_shared.contains(address) ? running.dynamic_shared : running.static_shared;
  for_each_record(window, address, copy.bytes, true, visit);
}

void land(const PendingCopy& copy) {
  char* destination = static_cast<char*>(copy.destination);
  std::memcpy(destination, copy.source, copy.source_bytes);
  std::memset(destination + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
  for_each_destination_record(copy, [](Record& record) { record = {running.me, record.read & kSplitMask}; });
}

void start(void* destination, const void* source, unsigned bytes, unsigned source_bytes, const void* code) {
  Thread& thread = *machine.current;
  if (source_bytes > 0) {
    on_range<Access::kRead>(source, source_bytes, bytes, code);
    if (reinterpret_cast<std::uintptr_t>(source) % bytes != 0)
      misaligned_access({Access::kRead, reinterpret_cast<std::uintptr_t>(source), bytes, code});
  }
  check<Access::kWrite>(destination, bytes, code);
  const auto address = reinterpret_cast<std::uintptr_t>(destination);
  if (!running.dynamic_shared.contains(address) && !running.static_shared.contains(address)) {
    fatal_fault({.kind = FaultKind::kTrap, .site = {.code = code}, .text = "cp.async copies to shared memory only"});
  }
  const PendingCopy copy{destination, source, bytes, source_bytes, thread.open_group, code};
  std::memset(destination, 0xff, bytes);
  for_each_destination_record(copy, [&](Record& record) { record.write = identity(kPendingSegment, thread.linear, 0); });
  thread.copies.push_back(copy);
}

}  // namespace

void copy_async(void* shared_destination, const void* global_source, unsigned bytes) {
  start(shared_destination, global_source, bytes, bytes, __builtin_return_address(0));
}

void copy_async(void* shared_destination, const void* global_source, unsigned bytes, unsigned source_bytes) {
  start(shared_destination, global_source, bytes, std::min(bytes, source_bytes), __builtin_return_address(0));
}

void copy_async_commit() { ++machine.current->open_group; }

void copy_async_wait(int groups_left) {
  Thread& thread = *machine.current;
  const unsigned open = thread.open_group, left = static_cast<unsigned>(std::max(groups_left, 0));
  const unsigned landing = open > left ? open - left : 0;  // groups below this one land
  const auto later =
      std::stable_partition(thread.copies.begin(), thread.copies.end(), [&](const PendingCopy& c) { return c.group < landing; });
  std::for_each(thread.copies.begin(), later, land);
  thread.copies.erase(thread.copies.begin(), later);
}

}  // namespace simt
