// Whole files in and out: reading with a bound, and replacing a file so that a full disk, an I/O error or a kill at any
// moment leaves the previous one whole.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace sepia {

/// The bytes of a regular file (symbolic links are followed). kPath when it is missing, not permitted, not a regular file
/// or cannot be read; kData when it holds more than `max_bytes`, of which nothing is kept.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

/// Replaces the file at `path`, or makes it: everything goes to `.NAME.tmp-PID` in the same folder, is flushed to the disk
/// (fsync), then renamed to NAME, and the folder is flushed. A reader sees the old file or the new one, never a part.
/// On failure the temporary file is removed and kPath names the path and the bytes; the old file is unchanged, except when
/// only the last flush of the folder failed: then the new file is there, whole, and the message says so.
/// Several threads may call it at once, for the same path too.
void write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> bytes);
/// The same for text.
void write_file_atomic(const std::filesystem::path& path, std::string_view text);
/// The same for the parts one after another, so that a large file need not stand in memory twice.
void write_file_atomic(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts);

/// Removes what killed writers of `path` left behind (`.NAME.tmp-*` in its folder) and returns how many there were. Only
/// for a path that no other process is writing to. Never throws: a file that cannot be removed is left.
std::size_t remove_stale_temporaries(const std::filesystem::path& path);

namespace detail {

/// The system calls of write_file_atomic. Tests replace them to make each call fail in turn; nothing else does.
struct FileOps {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*write)(int descriptor, const void* data, std::size_t bytes);
  int (*fsync)(int descriptor);
  int (*close)(int descriptor);
  int (*rename)(const char* from, const char* to);
};
/// The calls in use; the real ones unless a test has assigned others.
FileOps& file_ops();

}  // namespace detail
}  // namespace sepia
