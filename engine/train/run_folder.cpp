#include "engine/train/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/base/error.h"

namespace sepia::train {

LineLog::LineLog(std::filesystem::path path, std::uintmax_t keep_bytes) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  SEPIA_CHECK_KIND(descriptor_ >= 0, ErrorKind::kPath, path_.string(), ": ", std::strerror(errno), "; the run's log cannot be written");
  const off_t size = ::lseek(descriptor_, 0, SEEK_END);
  bytes_ = std::min<std::uintmax_t>(keep_bytes, static_cast<std::uintmax_t>(size));
  SEPIA_CHECK_KIND(::ftruncate(descriptor_, static_cast<off_t>(bytes_)) == 0, ErrorKind::kPath, path_.string(), ": ", std::strerror(errno),
                   " while cutting it back to ", bytes_, " bytes");
}

LineLog::~LineLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void LineLog::append(const std::string& line) {
  const std::string text = line + '\n';
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(descriptor_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    SEPIA_CHECK_KIND(count > 0, ErrorKind::kPath, path_.string(), ": ", std::strerror(count < 0 ? errno : EIO), " after ", written, " of ", text.size(),
                     " bytes of a line; free space and resume the run");
    written += static_cast<std::size_t>(count);
  }
  SEPIA_CHECK_KIND(::fsync(descriptor_) == 0, ErrorKind::kPath, path_.string(), ": ", std::strerror(errno), "; free space and resume the run");
  bytes_ += text.size();
}

}  // namespace sepia::train
