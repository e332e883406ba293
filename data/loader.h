// Batches of a data set, read ahead by worker threads. What comes out depends on the options alone, never on the number of
// workers or on their speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"
#include "data/transforms.h"

namespace sepia {

struct LoaderOptions {
  int batch_size = 32;
  bool shuffle = false;  ///< a permutation drawn from (seed, epoch); otherwise the order of `samples`
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  Augment augment = Augment::kNone;
  int workers = 2;              ///< threads; 0 reads on the thread that asks
  int prefetch = 4;             ///< batches that may lie ready or in the making
  std::size_t start_batch = 0;  ///< the first batch to deliver: a resumed run skips those it has had
  std::vector<std::size_t> samples = {};  ///< indices into the data set; empty means all
};

/// `n` pictures of height x width, NHWC: pixels[((i * height + y) * width + x) * 3 + channel]. Pass the same Batch again and
/// again: its memory is used anew.
struct Batch {
  int n = 0;
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<int> labels;
  std::vector<std::size_t> indices;  ///< into the data set
};

/// Passes over a data set, one after the other. The last batch of each may be smaller. The data set must outlive the loader. Used by one
/// thread.
class Loader {
 public:
  /// Starts reading. kUsage when an option is out of range.
  Loader(const Dataset& dataset, const LoaderOptions& options);
  /// Stops the workers; each finishes the picture it is reading.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Waits for the next batch and puts it into `batch`; false when the pass is over. An error from the data set (the one at
  /// the earliest position of the batch) is thrown here; the loader is over then.
  bool next(Batch& batch);

  /// Begins another pass, with the order and the changes of that epoch, from its first batch; what is left of the one before is dropped.
  /// Reading begins at once, into the memory that is there: call it before what leaves the processors idle. kInternal after an error.
  void begin_pass(std::uint32_t epoch);

  /// Batches of the whole pass, those before start_batch included.
  std::size_t batches() const;
  /// The data set's indices in the order of the whole pass.
  const std::vector<std::size_t>& order() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The order of a pass: `samples` (or 0..count-1 when empty), permuted by Fisher and Yates with the stream (seed, kShuffle, epoch)
/// when `shuffle`.
std::vector<std::size_t> sample_order(std::size_t count, const LoaderOptions& options);

}  // namespace sepia
