#include "engine/io/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"

namespace sepia {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{4} << 30;
constexpr std::size_t kFrame = 16;  // length, its checksum, the checksum of the data

// Field numbers of the messages.
constexpr int kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5;
constexpr int kSummaryValue = 1, kValueTag = 1, kValueSimple = 2;
enum WireType : int { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

template <class Integer>
void put_little_endian(std::string& out, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

template <class Integer>
Integer get_little_endian(std::string_view bytes) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value |= static_cast<Integer>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, int field, WireType type) { put_varint(out, static_cast<std::uint64_t>(field << 3 | type)); }

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, kLengthDelimited);
  put_varint(out, bytes.size());
  out += bytes;
}

std::uint32_t masked_crc(std::string_view bytes) {
  // The mask keeps the checksum of bytes that hold checksums from being degenerate.
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(bytes.data(), bytes.size())));
  return std::rotr(crc, 15) + 0xA282EAD8u;
}

std::string record(std::string_view event) {
  std::string out;
  put_little_endian(out, static_cast<std::uint64_t>(event.size()));
  put_little_endian(out, masked_crc(out));
  out += event;
  put_little_endian(out, masked_crc(event));
  return out;
}

std::string version_record() {
  std::string event;
  put_key(event, kEventWallTime, kFixed64);
  put_little_endian(event, std::bit_cast<std::uint64_t>(0.0));
  put_bytes(event, kEventFileVersion, "brain.Event:2");
  return record(event);
}

std::optional<std::uint64_t> get_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// The step of an encoded Event (0 when it has none, as protobuf has it); nothing when the bytes are no message.
std::optional<std::int64_t> step_of(std::string_view event) {
  std::int64_t step = 0;
  while (!event.empty()) {
    const auto key = get_varint(event);
    if (!key) return std::nullopt;
    std::size_t skip = 0;
    switch (*key & 7) {
      case kVarint: {
        const auto value = get_varint(event);
        if (!value) return std::nullopt;
        if (*key >> 3 == kEventStep) step = static_cast<std::int64_t>(*value);
        break;
      }
      case kFixed64: skip = 8; break;
      case kFixed32: skip = 4; break;
      case kLengthDelimited: {
        const auto size = get_varint(event);
        if (!size || *size > event.size()) return std::nullopt;
        skip = static_cast<std::size_t>(*size);
        break;
      }
      default: return std::nullopt;
    }
    if (skip > event.size()) return std::nullopt;
    event.remove_prefix(skip);
  }
  return step;
}

// The records whose step is at most `last_step`, up to a last one that is cut short.
std::string kept_records(std::string_view bytes, std::int64_t last_step, const std::filesystem::path& file) {
  std::string kept;
  for (std::size_t at = 0; bytes.size() - at >= kFrame;) {
    const std::string_view rest = bytes.substr(at);
    const auto size = get_little_endian<std::uint64_t>(rest);
    const bool length_holds = get_little_endian<std::uint32_t>(rest.substr(8)) == masked_crc(rest.substr(0, 8));
    if (length_holds && size > rest.size() - kFrame) break;
    const std::string_view event = length_holds ? rest.substr(12, size) : std::string_view{};
    const auto step = length_holds ? step_of(event) : std::nullopt;
    if (!step || get_little_endian<std::uint32_t>(rest.substr(12 + size)) != masked_crc(event)) {
      fail(ErrorKind::kData, file.string(), ": damaged at byte ", at, "; remove it to go on without the old TensorBoard curves");
    }
    if (*step <= last_step) kept += rest.substr(0, size + kFrame);
    at += size + kFrame;
  }
  return kept;
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0x82F63B78u : 0u);
      entries[i] = value;
    }
    return entries;
  }();
  std::uint32_t crc = ~0u;
  for (const std::byte byte : bytes) crc = crc >> 8 ^ table[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
  return ~crc;
}

EventWriter::EventWriter(const std::filesystem::path& file, int open_flags) : file_(file) {
  descriptor_ = ::open(file.c_str(), open_flags | O_WRONLY | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(ErrorKind::kPath, file.string(), ": cannot be written: ", std::generic_category().message(errno));
}

EventWriter::EventWriter(const std::filesystem::path& file) : EventWriter(file, O_CREAT | O_TRUNC) {
  pending_ = version_record();
  flush();
}

EventWriter EventWriter::continue_after(const std::filesystem::path& file, std::int64_t last_step) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return EventWriter(file);
  const auto bytes = read_file(file, kLargestFile);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string kept = kept_records(text, last_step, file);
  write_file_atomic(file, kept.empty() ? version_record() : kept);
  return EventWriter(file, O_APPEND);
}

EventWriter::EventWriter(EventWriter&& other) noexcept
    : file_(std::move(other.file_)), descriptor_(std::exchange(other.descriptor_, -1)), pending_(std::move(other.pending_)) {}

EventWriter::~EventWriter() {
  if (descriptor_ < 0) return;
  try {
    flush();
  } catch (const Error&) {
  }
  ::close(descriptor_);
}

void EventWriter::add_scalar(std::string_view tag, std::int64_t step, double value, double wall_time) {
  std::string point;
  put_bytes(point, kValueTag, tag);
  put_key(point, kValueSimple, kFixed32);
  put_little_endian(point, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  std::string summary;
  put_bytes(summary, kSummaryValue, point);
  std::string event;
  put_key(event, kEventWallTime, kFixed64);
  put_little_endian(event, std::bit_cast<std::uint64_t>(wall_time));
  put_key(event, kEventStep, kVarint);
  put_varint(event, static_cast<std::uint64_t>(step));
  put_bytes(event, kEventSummary, summary);
  pending_ += record(event);
}

void EventWriter::flush() {
  while (!pending_.empty()) {
    const ssize_t written = ::write(descriptor_, pending_.data(), pending_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      fail(ErrorKind::kPath, file_.string(), ": writing ", pending_.size(), " bytes failed: ", std::generic_category().message(errno));
    }
    pending_.erase(0, static_cast<std::size_t>(written));
  }
}

}  // namespace sepia
