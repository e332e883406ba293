#include "tools/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace sepia::cli {
namespace {

constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr int kWidestBar = 30;
constexpr int kNarrowestBar = 5;

/// Columns of the terminal behind `out`, 0 when it is none.
int terminal_width(std::FILE* out) {
  const int descriptor = ::fileno(out);
  if (descriptor < 0 || ::isatty(descriptor) == 0) return 0;
  const char* kind = std::getenv("TERM");
  if (kind != nullptr && std::string_view(kind) == "dumb") return 0;
  winsize size = {};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string duration_text(double seconds) {
  if (!(seconds >= 0.0) || seconds > 1e8) return "-:--";
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_line(std::string_view label, const Progress& progress, int width) {
  const double share = progress.total > 0 ? std::clamp(static_cast<double>(progress.done) / static_cast<double>(progress.total), 0.0, 1.0) : 0.0;
  const double rate = progress.seconds > 0.0 ? static_cast<double>(progress.done) / progress.seconds : 0.0;
  const double left = rate > 0.0 ? static_cast<double>(progress.total - progress.done) / rate : -1.0;
  std::string facts = fmt::format(" {:3.0f}%  {:.0f} img/s", 100.0 * share, rate);
  if (progress.loss >= 0.0) facts += fmt::format("  loss {:.4f}", progress.loss);
  if (progress.accuracy >= 0.0) facts += fmt::format("  acc {:.3f}", progress.accuracy);
  facts += "  left " + duration_text(left);

  std::string line(label);
  const int room = width - static_cast<int>(label.size() + facts.size()) - 4;
  if (room >= kNarrowestBar) {
    const int cells = std::min(room, kWidestBar);
    const int full = static_cast<int>(share * cells);
    std::string bar(static_cast<std::size_t>(full), '=');
    if (full < cells) bar += '>';
    bar.resize(static_cast<std::size_t>(cells), ' ');
    line += " [" + bar + "]";
  }
  line += facts;
  return line.substr(0, static_cast<std::size_t>(std::max(width - 1, 0)));
}

ProgressBar::ProgressBar() : ProgressBar(stderr, terminal_width(stderr)) {}

ProgressBar::ProgressBar(std::FILE* out, int width) : out_(out), width_(width) {}

void ProgressBar::start(std::string label, std::int64_t total) {
  label_ = std::move(label);
  total_ = total;
  started_ = Clock::now();
  drawn_ = started_ - kRedrawEvery;
}

void ProgressBar::update(std::int64_t done, double loss, double accuracy) {
  const Clock::time_point now = Clock::now();
  if (width_ <= 0 || now - drawn_ < kRedrawEvery) return;
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  fmt::print(out_, "\r{}\x1b[K", progress_line(label_, {.done = done, .total = total_, .seconds = seconds, .loss = loss, .accuracy = accuracy}, width_));
  std::fflush(out_);
  visible_ = true;
}

void ProgressBar::line(std::string_view text) {
  clear();
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
}

void ProgressBar::clear() {
  if (!visible_) return;
  fmt::print(out_, "\r\x1b[K");
  std::fflush(out_);
  visible_ = false;
}

}  // namespace sepia::cli
