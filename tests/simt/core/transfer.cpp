#include "tests/simt/core/transfer.h"

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/simt/core/block.h"
#include "tests/simt/core/fault.h"
#include "tests/simt/core/memory.h"
#include "tests/simt/core/stream.h"

namespace simt::core {
namespace {

std::string place_text(std::uintptr_t address, std::size_t bytes) {
  const Place place = find_place(address);
  char text[200];
  std::snprintf(text, sizeof text, "%zu bytes from byte %zu of allocation %u, which has %zu", bytes,
                static_cast<std::size_t>(address - place.begin), place.number, place.bytes);
  return text;
}

/// Whether the range lies in one live allocation; a fault if not.
bool is_inside(const char* what, std::uintptr_t address, std::size_t bytes) {
  const Place place = find_place(address);
  if (place.live && address + bytes <= place.begin + place.bytes) return true;
  report_fault((place.freed ? "use after free: " : "out of bounds: ") + std::string(what) + " " + place_text(address, bytes));
  return false;
}

bool is_ordered(std::uint64_t record, std::uint32_t ordered) {
  return segment_of(record) <= ordered || ordered_operation(segment_of(record));
}

void report_race(const char* what, std::uintptr_t address, std::size_t bytes, std::uint64_t other, const char* other_did) {
  report_fault("race between streams: " + std::string(what) + " " + place_text(address, bytes) + ", which " +
               operation_name(segment_of(other)) + " " + other_did + " with nothing that orders the two");
}

void mark_written(std::uintptr_t address, std::size_t bytes, std::uint32_t ordered) {
  const std::uint64_t me = identity(next_segment(), 0, 0);
  std::uint64_t writer = 0, reader = 0;
  for_each_record(running.global, address, bytes, true, [&](Record& record) {
    if (writer == 0 && !is_ordered(record.write, ordered)) writer = record.write;
    if (reader == 0 && !is_ordered(record.read, ordered)) reader = record.read;
    record = {me, record.read & kSplitMask};
  });
  if (writer != 0) report_race("copy or memset writes", address, bytes, writer, "wrote");
  if (reader != 0) report_race("copy or memset writes", address, bytes, reader, "read");
}

/// Also reports contents that were never written, unless they only travel within the device.
void mark_read(std::uintptr_t address, std::size_t bytes, std::uint32_t ordered, bool must_be_written) {
  const std::uint64_t me = identity(next_segment(), 0, 0);
  std::uint64_t writer = 0;
  bool unwritten = false;
  for_each_record(running.global, address, bytes, false, [&](Record& record) {
    if (record.write == 0) unwritten = true;
    if (writer == 0 && !is_ordered(record.write, ordered)) writer = record.write;
    record.read = me | (record.read & kSplitMask);
  });
  if (writer != 0) report_race("copy reads", address, bytes, writer, "wrote");
  if (unwritten && must_be_written) report_fault("never written: copy to the host: " + place_text(address, bytes));
}

}  // namespace

void copy_bytes(void* destination, const void* source, std::size_t bytes, std::uint32_t ordered) {
  const auto to = reinterpret_cast<std::uintptr_t>(destination), from = reinterpret_cast<std::uintptr_t>(source);
  if (is_device(source) && !is_inside("copy from the device:", from, bytes)) return;
  if (is_device(destination) && !is_inside("copy to the device:", to, bytes)) return;
  if (is_device(source)) mark_read(from, bytes, ordered, !is_device(destination));
  if (is_device(destination)) mark_written(to, bytes, ordered);
  std::memmove(destination, source, bytes);
}

void set_bytes(void* destination, int value, std::size_t bytes, std::uint32_t ordered) {
  const auto to = reinterpret_cast<std::uintptr_t>(destination);
  if (is_device(destination)) {
    if (!is_inside("memset:", to, bytes)) return;
    mark_written(to, bytes, ordered);
  }
  std::memset(destination, value, bytes);
}

}  // namespace simt::core
