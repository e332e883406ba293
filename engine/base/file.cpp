#include "engine/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <system_error>

#include "engine/base/error.h"

namespace sepia {
namespace {

namespace fs = std::filesystem;

std::string reason(int error) {
  return std::generic_category().message(error);
}

/// Linux refuses single reads and writes above 2 GiB; smaller pieces cost nothing.
constexpr std::size_t kMaxCallBytes = std::size_t{1} << 30;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) detail::file_ops().close(value_);
  }
  int get() const { return value_; }
  /// Closes and returns errno, or 0. Linux has closed the descriptor even when close says EINTR.
  int close() {
    const int status = detail::file_ops().close(value_);
    value_ = -1;
    return status == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int value_;
};

/// Removes the temporary file unless it has been renamed.
struct TemporaryFile {
  fs::path path;
  bool renamed = false;
  ~TemporaryFile() {
    if (!renamed) ::unlink(path.c_str());
  }
};

std::string temporary_prefix(const fs::path& path) {
  return "." + path.filename().string() + ".tmp-";
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Writes all of `bytes`; returns errno, or 0. `written` counts what went out.
int write_all(int descriptor, std::span<const std::byte> bytes, std::uint64_t& written) {
  while (!bytes.empty()) {
    const ssize_t count = detail::file_ops().write(descriptor, bytes.data(), std::min(bytes.size(), kMaxCallBytes));
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (count == 0) return EIO;  // no progress and no reason: never loop on it
    written += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return 0;
}

/// fsync; returns errno, or 0. File systems that cannot flush (EINVAL, ENOTSUP) have nothing to flush.
int flush(int descriptor) {
  while (detail::file_ops().fsync(descriptor) != 0) {
    if (errno == EINTR) continue;
    return errno == EINVAL || errno == ENOTSUP ? 0 : errno;
  }
  return 0;
}

}  // namespace

namespace detail {

FileOps& file_ops() {
  static FileOps ops{[](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }, ::write, ::fsync, ::close,
                     std::rename};
  return ops;
}

}  // namespace detail

std::vector<std::byte> read_file(const fs::path& path, std::uint64_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer. It means nothing to regular files.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(ErrorKind::kPath, path.string(), ": cannot open: ", reason(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(ErrorKind::kPath, path.string(), ": cannot read: ", reason(errno));
  if (!S_ISREG(status.st_mode)) {
    fail(ErrorKind::kPath, path.string(), S_ISDIR(status.st_mode) ? ": is a folder" : ": is not a regular file", "; a file is needed");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) fail(ErrorKind::kData, path.string(), ": ", size, " bytes, more than the ", max_bytes, " that are allowed here");
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + filled, std::min(bytes.size() - filled, kMaxCallBytes));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(ErrorKind::kPath, path.string(), ": cannot read after ", filled, " of ", size, " bytes: ", reason(errno));
    if (count == 0) fail(ErrorKind::kData, path.string(), ": ends after ", filled, " of ", size, " bytes; it was cut while being read");
    filled += static_cast<std::size_t>(count);
  }
  return bytes;
}

void write_file_atomic(const fs::path& path, std::span<const std::span<const std::byte>> parts) {
  // One writer at a time: the temporary name is the process's, so that a file left by a killed run can be recognised.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::uint64_t total = 0, written = 0;
  for (const auto& part : parts) total += part.size();
  const auto refuse = [&](const char* what, int error) {
    fail(ErrorKind::kPath, path.string(), ": cannot ", what, " ", total, " bytes: ", reason(error), " (", written,
         " written; what was there before is unchanged)");
  };
  SEPIA_CHECK_KIND(path.has_filename(), ErrorKind::kPath, path.string(), ": is not a file name");

  detail::FileOps& ops = detail::file_ops();
  const fs::path folder = folder_of(path);
  const Descriptor folder_file(ops.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  if (folder_file.get() < 0) refuse("open the folder to write", errno);
  const fs::path temporary_path = folder / (temporary_prefix(path) + std::to_string(::getpid()));
  ::unlink(temporary_path.c_str());  // only a killed process that had our number can have left it
  Descriptor file(ops.open(temporary_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) refuse("make a temporary file for", errno);
  TemporaryFile temporary{temporary_path};
  for (const auto& part : parts) {
    if (const int error = write_all(file.get(), part, written)) refuse("write", error);
  }
  if (const int error = flush(file.get())) refuse("flush", error);
  if (const int error = file.close()) refuse("close the file of", error);
  if (ops.rename(temporary_path.c_str(), path.c_str()) != 0) refuse("rename the file of", errno);
  temporary.renamed = true;
  if (const int error = flush(folder_file.get())) {
    fail(ErrorKind::kPath, path.string(), ": all ", total, " bytes are written, but the folder cannot be flushed: ", reason(error),
         " (the new file may be lost if the power fails now)");
  }
}

void write_file_atomic(const fs::path& path, std::span<const std::byte> bytes) {
  write_file_atomic(path, std::span<const std::span<const std::byte>>(&bytes, 1));
}

void write_file_atomic(const fs::path& path, std::string_view text) {
  write_file_atomic(path, std::as_bytes(std::span<const char>(text.data(), text.size())));
}

std::size_t remove_stale_temporaries(const fs::path& path) {
  const std::string prefix = temporary_prefix(path);
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder_of(path), error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool digits_follow =
        name.size() > prefix.size() && name.starts_with(prefix) && name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
    if (digits_follow) found.push_back(entry->path());
  }
  return static_cast<std::size_t>(
      std::count_if(found.begin(), found.end(), [](const fs::path& file) { return ::unlink(file.c_str()) == 0; }));
}

}  // namespace sepia
