// What a person sees while a long command works, on stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace sepia::cli {

/// Where the work stands.
struct Progress {
  std::int64_t done = 0;    ///< pictures finished
  std::int64_t total = 0;   ///< pictures in all
  double seconds = 0.0;     ///< since the start
  double loss = -1.0;       ///< running mean; negative: not shown
  double accuracy = -1.0;   ///< running mean, 0 to 1; negative: not shown
};

/// One line of at most `width` columns:
/// "epoch 3/40 [=======>      ]  52%  416 img/s  loss 0.5312  acc 0.734  left 0:12".
std::string progress_line(std::string_view label, const Progress& progress, int width);

/// "0:07", "12:34", "1:02:03"; "-:--" when unknown (negative).
std::string duration_text(double seconds);

/// A bar that redraws itself at most ten times a second when stderr is a terminal and stays silent otherwise. Lines for the
/// log go through line(), which both forms print: one plain line per epoch is all that a log file sees.
class ProgressBar {
 public:
  ProgressBar();
  /// For tests: draws to `out` as if it were a terminal of `width` columns (0: no terminal).
  ProgressBar(std::FILE* out, int width);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Begins a bar of `total` pictures, called `label`.
  void start(std::string label, std::int64_t total);
  /// `done` pictures of the present bar are finished; loss and accuracy as in Progress.
  void update(std::int64_t done, double loss = -1.0, double accuracy = -1.0);
  /// Removes the bar and prints `text` as a line of its own.
  void line(std::string_view text);
  /// Removes the bar.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::FILE* out_;
  int width_;
  std::string label_;
  std::int64_t total_ = 0;
  Clock::time_point started_;
  Clock::time_point drawn_;
  bool visible_ = false;
};

}  // namespace sepia::cli
