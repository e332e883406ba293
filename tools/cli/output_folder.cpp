#include "tools/cli/output_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "engine/base/error.h"

namespace sepia::cli {
namespace fs = std::filesystem;

void claim_output_folder(const fs::path& folder, bool overwrite, std::initializer_list<std::string_view> stale) {
  SEPIA_CHECK(!folder.empty(), "--out: the folder's name is empty; give one");
  std::error_code code;
  const fs::file_status status = fs::status(folder, code);
  if (fs::exists(status)) {
    SEPIA_CHECK(fs::is_directory(status), "--out ", folder.string(), ": is in use by a file; give the name of a new folder");
    const bool empty = fs::is_empty(folder, code);
    SEPIA_CHECK_KIND(!code, ErrorKind::kPath, folder.string(), ": cannot be read: ", code.message());
    SEPIA_CHECK(empty || overwrite, "--out ", folder.string(), ": is in use (not empty); give a new folder, or --overwrite to write into it");
  } else {
    fs::create_directories(folder, code);
    SEPIA_CHECK_KIND(!code, ErrorKind::kPath, folder.string(), ": cannot make this folder: ", code.message());
  }
  for (const std::string_view name : stale) {
    fs::remove_all(folder / name, code);
    SEPIA_CHECK_KIND(!code, ErrorKind::kPath, (folder / name).string(), ": cannot remove what an earlier run left: ", code.message());
  }
  // Permission bits do not tell (root, read-only mounts): try.
  std::string probe = (folder / ".sepia-XXXXXX").string();
  const int descriptor = ::mkstemp(probe.data());
  SEPIA_CHECK_KIND(descriptor >= 0, ErrorKind::kPath, folder.string(), ": cannot write into this folder: ", std::strerror(errno));
  ::close(descriptor);
  ::unlink(probe.c_str());
}

}  // namespace sepia::cli
