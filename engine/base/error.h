// The one exception type of sepia and the check macro that throws it.
//
// Every failure that a user can cause ends in an Error whose message is one line: what went wrong, where, what to do next.
// The kind decides the exit code of the command line (README, "Exit codes"). What a user cannot cause is an assert.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace sepia {

/// Kinds of failure; the value is the exit code of the `sepia` command.
enum class ErrorKind : int {
  kInternal = 1,  ///< a check failed, or sepia itself is wrong
  kUsage = 2,     ///< arguments, shapes, a device or precision that is not there, an output folder in use
  kData = 3,      ///< a file was opened but is not what it must be (pictures, folder names, weights)
  kPath = 4,      ///< a path is missing, not permitted or not writable
  kNumeric = 5,   ///< NaN or Inf
  kMemory = 6,    ///< out of memory
};

/// What sepia throws. what() is the whole message, without the leading "error: ".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

/// Joins the parts with operator<< into one message: str("got ", 3, " rows").
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws Error(kind, parts joined).
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, str(parts...));
}

}  // namespace sepia

/// Throws an Error of kind kUsage unless `condition` holds. The rest of the arguments are joined into the message:
/// SEPIA_CHECK(x.ndim() == 4, "[conv2d] input must be (N, H, W, C), got ", x.shape());
#define SEPIA_CHECK(condition, ...) SEPIA_CHECK_KIND(condition, ::sepia::ErrorKind::kUsage, __VA_ARGS__)

/// The same with the kind named: SEPIA_CHECK_KIND(n > 0, ErrorKind::kData, path, " is empty");
#define SEPIA_CHECK_KIND(condition, kind, ...)  \
  do {                                          \
    if (!(condition)) [[unlikely]] {            \
      ::sepia::fail((kind), __VA_ARGS__);       \
    }                                           \
  } while (false)
