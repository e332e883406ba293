// The files of a run: where they lie and how they are written.
#pragma once

#include <filesystem>
#include <string>

namespace sepia::train {

/// RUN/...: names only; nothing is made here.
struct RunFolder {
  std::filesystem::path root;

  std::filesystem::path config() const { return root / "config.json"; }
  std::filesystem::path log() const { return root / "log.json"; }
  std::filesystem::path log_lines() const { return root / "log.jsonl"; }
  std::filesystem::path best() const { return root / "best.safetensors"; }
  std::filesystem::path last() const { return root / "last.safetensors"; }
  std::filesystem::path predictions(const std::string& split) const { return root / ("predictions_" + split + ".csv"); }
  std::filesystem::path metrics() const { return root / "metrics.json"; }
  std::filesystem::path manifest() const { return root / "manifest.csv"; }
  std::filesystem::path tensorboard() const { return root / "tensorboard"; }
};

/// log.jsonl: lines are only ever added, each flushed to the disk, and a resumed run cuts the file back to where its checkpoint was.
class LineLog {
 public:
  /// Opens (or makes) the file and cuts it to `keep_bytes`. Throws kPath.
  LineLog(std::filesystem::path path, std::uintmax_t keep_bytes);
  ~LineLog();
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  /// Adds one line. Throws kPath, naming path and bytes, when the disk is full.
  void append(const std::string& line);
  std::uintmax_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uintmax_t bytes_ = 0;
};

}  // namespace sepia::train
