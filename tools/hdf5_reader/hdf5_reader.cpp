// sepia-read-hdf5: the tensors of an HDF5 file on standard input, to standard output (engine/io/hdf5_protocol.h).
//
// The only program here that is linked with libhdf5, and built to be lost: before it looks at a byte it gives up the right to much memory
// or time, to write files and, once the file is open, to open anything else. What it makes of a damaged file harms nobody.
#include <hdf5.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <new>
#include <string>
#include <vector>

#include "tools/hdf5_reader/hdf5_output.h"
#include "tools/hdf5_reader/hdf5_walk.h"

namespace {

void limit(int resource, rlim_t value) {
  const rlimit both{value, value};
  if (::setrlimit(static_cast<__rlimit_resource_t>(resource), &both) != 0) ::_exit(3);
}

/// Memory for the library and the largest tensor that the file could hold; a processor time that grows with its size.
void limit_resources(rlim_t file_bytes) {
  constexpr rlim_t kBytesPerSecond = rlim_t{10} << 20;
  rlim_t files = 4;  // 0, 1, 2 and the one file that HDF5 opens: external links and plug-ins lead nowhere
#ifdef __SANITIZE_ADDRESS__
  // No limit on memory: the shadow memory of AddressSanitizer is terabytes of addresses.
  files += 2;  // UBSan asks through a pipe whether an object may be looked at, and takes a refusal for a wrong type
#else
  constexpr rlim_t kBaseMemory = rlim_t{160} << 20;
  limit(RLIMIT_AS, kBaseMemory + 2 * file_bytes);
#endif
  limit(RLIMIT_CPU, 20 + file_bytes / kBytesPerSecond);
  limit(RLIMIT_FSIZE, 0);  // pipes are not files
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, files);
}

}  // namespace

int main() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::close_range(STDERR_FILENO + 1, ~0U, 0);  // files that the caller left open would use up the one that the limit below grants
  struct stat status {};
  if (::fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return 2;
  limit_resources(static_cast<rlim_t>(status.st_size));
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);
  sepia::hdf5::Output out(STDOUT_FILENO);
  try {
    sepia::hdf5::walk_file("/proc/self/fd/0", out);
  } catch (const sepia::hdf5::Refusal& refusal) {
    out.refuse(refusal.what());
  } catch (const std::bad_alloc&) {
    out.refuse("damaged: it asks for more memory than a file of its size needs");
  }
  out.flush();
  ::_exit(0);  // without the library's own clean-up, which walks the same damaged structures
}
