#include "engine/io/hdf5_process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "engine/base/error.h"

namespace sepia::detail {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kProgram = "sepia-read-hdf5";

class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  void set(int value) { value_ = value; }
  void close() {
    if (value_ >= 0) ::close(value_);
    value_ = -1;
  }

 private:
  int value_;
};

/// The running program: ended and waited for in any case.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ > 0) end();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Ends it, unless it has ended, and returns how that was, as waitpid gives it.
  int end() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

pid_t start(const fs::path& program, int input, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  sigset_t none;
  sigemptyset(&none);  // the parent blocks signals that a thread of its own takes
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::string path = program.string(), locking = "HDF5_USE_FILE_LOCKING=FALSE", libraries;
  char* environment[3] = {locking.data(), nullptr, nullptr};
  if (const char* given = std::getenv("LD_LIBRARY_PATH")) {
    libraries = std::string("LD_LIBRARY_PATH=") + given;
    environment[1] = libraries.data();
  }
  char* arguments[2] = {path.data(), nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, path.c_str(), &actions, &attributes, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) fail(ErrorKind::kInternal, path, ": cannot be started: ", std::strerror(error), "; it parses HDF5 files and belongs to this sepia");
  return pid;
}

/// Fills spans from the pipe until its end or the deadline.
PipeSource pipe_source(int descriptor, Clock::time_point deadline, const std::string& source) {
  return [=](std::span<std::byte> part) {
    std::size_t filled = 0;
    while (filled < part.size()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd wait{descriptor, POLLIN, 0};
      const int ready = left <= 0 ? 0 : ::poll(&wait, 1, static_cast<int>(left));
      if (ready < 0 && errno == EINTR) continue;
      SEPIA_CHECK_KIND(ready > 0, ErrorKind::kData, source, ": damaged: the process that parses HDF5 took too long and was ended");
      const ssize_t count = ::read(descriptor, part.data() + filled, part.size() - filled);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      filled += static_cast<std::size_t>(count);
    }
    return filled;
  };
}

}  // namespace

fs::path hdf5_reader_program() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&hdf5_reader_program), &info) != 0 && info.dli_fname != nullptr) {
    std::error_code ignored;
    const fs::path folder = fs::absolute(info.dli_fname, ignored).parent_path();
    for (const fs::path& path : {folder / kProgram, folder / "sepia" / kProgram}) {
      if (fs::exists(path, ignored)) return path;
    }
  }
  fail(ErrorKind::kInternal, "the program ", kProgram, ", which parses HDF5 files, is not beside libsepia.so; build or install sepia again");
}

Hdf5Contents read_hdf5(const fs::path& path, const Hdf5ProcessOptions& options) {
  const std::string source = path.string();
  const Descriptor input(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  SEPIA_CHECK_KIND(input.get() >= 0 && ::fstat(input.get(), &status) == 0, ErrorKind::kPath, source, ": cannot open: ", std::strerror(errno));
  SEPIA_CHECK_KIND(S_ISREG(status.st_mode), ErrorKind::kPath, source, ": is not a regular file; a file is needed");
  int ends[2];
  SEPIA_CHECK_KIND(::pipe2(ends, O_CLOEXEC) == 0, ErrorKind::kInternal, "cannot make a pipe: ", std::strerror(errno));
  const Descriptor output(ends[0]);
  Descriptor childs_end(ends[1]);
  Child child(start(options.program.empty() ? hdf5_reader_program() : options.program, input.get(), childs_end.get()));
  childs_end.close();

  const auto deadline = Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(options.seconds * 1000));
  Hdf5Limits limits;
  limits.tensor_bytes = static_cast<std::uint64_t>(status.st_size);
  try {
    Hdf5Contents contents = read_hdf5_stream(pipe_source(output.get(), deadline, source), source, limits);
    SEPIA_CHECK_KIND(!contents.refusal, ErrorKind::kData, source, ": ", contents.refusal.value_or(""));
    return contents;
  } catch (const Error&) {
    // What a process that died left in the pipe is not worth a word: say what it died of.
    const int end = child.end();
    const bool died = WIFSIGNALED(end) && WTERMSIG(end) != SIGKILL;
    SEPIA_CHECK_KIND(!died, ErrorKind::kData, source, ": damaged: the process that parses HDF5 ended by signal ", WTERMSIG(end), " (", ::strsignal(WTERMSIG(end)), ")");
    throw;
  }
}

}  // namespace sepia::detail
