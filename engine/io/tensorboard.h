// TensorBoard event files: scalars that `tensorboard --logdir RUN` draws while training goes on.
//
// A file is a sequence of TFRecords: length (uint64), masked CRC-32C of the length, the bytes of a protobuf `Event`, masked
// CRC-32C of the bytes; all little-endian. The few fields that scalars need are encoded by hand (tensorboard/compat/proto:
// event.proto, summary.proto), so that neither protobuf nor TensorFlow is needed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace sepia {

/// The name TensorBoard looks for contains "tfevents"; ours has no time and no host in it, so that a run folder always holds
/// the same names.
inline constexpr std::string_view kTensorboardFileName = "events.out.tfevents.sepia";

/// CRC-32C (Castagnoli: polynomial 0x1EDC6F41, reflected; RFC 3720, appendix B.4). crc32c("123456789") == 0xE3069283.
std::uint32_t crc32c(std::span<const std::byte> bytes);

/// Writes an event file. Not thread-safe.
class EventWriter {
 public:
  /// Makes `file`, or replaces it. kPath when it cannot be written.
  explicit EventWriter(const std::filesystem::path& file);

  /// Continues `file` as a resumed run does: events of steps beyond `last_step`, and a last record that a kill cut short, are
  /// dropped first (the file is replaced at once). A missing file is made. kData when the file is damaged before its end.
  static EventWriter continue_after(const std::filesystem::path& file, std::int64_t last_step);

  EventWriter(EventWriter&& other) noexcept;
  EventWriter& operator=(EventWriter&&) = delete;
  /// Flushes; an error there has nobody left to tell.
  ~EventWriter();

  /// One point of the curve `tag` ("loss/train"). `wall_time` is in seconds since 1970; values are stored as float, as the
  /// format has it.
  void add_scalar(std::string_view tag, std::int64_t step, double value, double wall_time);

  /// Hands everything to the operating system, whole records only. kPath names the file when that fails.
  void flush();

 private:
  EventWriter(const std::filesystem::path& file, int open_flags);

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::string pending_;
};

}  // namespace sepia
