#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/random.h"

namespace sepia {

std::vector<std::size_t> sample_order(std::size_t count, const LoaderOptions& options) {
  std::vector<std::size_t> order = options.samples;
  if (order.empty()) {
    order.resize(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
  if (options.shuffle && !order.empty()) {
    RandomStream random(options.seed, RandomPurpose::kShuffle, options.epoch);
    for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.below(static_cast<std::uint32_t>(i + 1))]);
  }
  return order;
}

/// Samples are handed out one by one, in order, so that all workers help with the batch that is needed first. A ring of
/// `prefetch` slots holds the batches in the making; a sample of batch b may be begun when batch b - prefetch has been taken.
class Loader::Impl {
 public:
  Impl(const Dataset& dataset, const LoaderOptions& options)
      : dataset_(dataset), options_(options), order_(sample_order(dataset.size(), options)), epoch_(options.epoch) {
    SEPIA_CHECK(options.batch_size >= 1, "the batch size must be at least 1, got ", options.batch_size);
    SEPIA_CHECK(options.workers >= 0 && options.workers <= 256, "the number of loader threads must be 0 to 256, got ", options.workers);
    SEPIA_CHECK(options.prefetch >= 1 && options.prefetch <= 1024, "batches read ahead must be 1 to 1024, got ", options.prefetch);
    for (const std::size_t i : order_) SEPIA_CHECK(i < dataset.size(), "sample ", i, " is not in a data set of ", dataset.size());
    SEPIA_CHECK(options.start_batch <= batches(), "the pass has ", batches(), " batches, it cannot start at ", options.start_batch);
    const int side = dataset.image_size();
    sample_bytes_ = static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3;
    slots_.resize(std::min(static_cast<std::size_t>(options.prefetch), std::max<std::size_t>(batches(), 1)));
    begin_at(options.start_batch);
    for (int i = 0; i < options.workers; ++i) threads_.emplace_back([this] { work(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    may_begin_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  bool next(Batch& batch) {
    std::unique_lock lock(mutex_);
    if (taken_ == batches()) return false;
    Slot& slot = slot_of(taken_);
    if (threads_.empty()) {
      while (slot.missing > 0) read_one(lock);
    } else {
      is_ready_.wait(lock, [&] { return slot.missing == 0; });
    }
    if (slot.error) {
      const std::exception_ptr error = slot.error;
      stopping_ = true;
      taken_ = batches();
      lock.unlock();
      may_begin_.notify_all();
      std::rethrow_exception(error);
    }
    std::swap(batch, slot.batch);
    ++taken_;
    const std::size_t last = taken_ + slots_.size() - 1;
    if (last < batches()) prepare_slot(last);
    lock.unlock();
    may_begin_.notify_all();
    return true;
  }

  void begin_pass(std::uint32_t epoch) {
    LoaderOptions options = options_;
    options.epoch = epoch;
    std::vector<std::size_t> order = sample_order(dataset_.size(), options);
    {
      std::unique_lock lock(mutex_);
      SEPIA_CHECK_KIND(!stopping_, ErrorKind::kInternal, "[loader] cannot begin a pass after an error");
      next_position_ = order_.size();  // nothing more is begun
      is_ready_.wait(lock, [&] { return reading_ == 0; });
      order_ = std::move(order);
      epoch_ = epoch;
      begin_at(0);
    }
    may_begin_.notify_all();
  }

  std::size_t batches() const { return (order_.size() + batch_size() - 1) / batch_size(); }
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  struct Slot {
    Batch batch;
    std::size_t missing = 0;         ///< samples not yet finished
    std::size_t error_position = 0;  ///< of `error`, when there is one
    std::exception_ptr error;
  };

  std::size_t batch_size() const { return static_cast<std::size_t>(options_.batch_size); }
  Slot& slot_of(std::size_t batch) { return slots_[batch % slots_.size()]; }

  /// Call when no thread reads.
  void begin_at(std::size_t batch) {
    taken_ = batch;
    next_position_ = std::min(batch * batch_size(), order_.size());
    for (std::size_t b = taken_; b < std::min(taken_ + slots_.size(), batches()); ++b) prepare_slot(b);
  }

  void prepare_slot(std::size_t number) {
    const std::size_t first = number * batch_size(), n = std::min(batch_size(), order_.size() - first);
    Slot& slot = slot_of(number);
    slot.missing = n;
    slot.error = nullptr;
    slot.batch.n = static_cast<int>(n);
    slot.batch.height = slot.batch.width = dataset_.image_size();
    slot.batch.pixels.resize(n * sample_bytes_);
    slot.batch.labels.resize(n);
    slot.batch.indices.assign(order_.begin() + static_cast<std::ptrdiff_t>(first), order_.begin() + static_cast<std::ptrdiff_t>(first + n));
  }

  bool may_begin() const { return next_position_ < order_.size() && next_position_ / batch_size() < taken_ + slots_.size(); }

  /// Takes the next sample, reads it without the lock, and enters it. Call with the lock held and may_begin().
  void read_one(std::unique_lock<std::mutex>& lock) {
    const std::size_t position = next_position_++;
    Slot& slot = slot_of(position / batch_size());
    const std::size_t within = position % batch_size();
    std::uint8_t* pixels = slot.batch.pixels.data() + within * sample_bytes_;
    int* label = &slot.batch.labels[within];
    const AugmentKey key{options_.seed, epoch_, static_cast<std::uint32_t>(order_[position])};
    ++reading_;
    lock.unlock();
    std::exception_ptr error;
    try {
      *label = read_sample(key, {pixels, sample_bytes_});
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && (!slot.error || position < slot.error_position)) {
      slot.error = error;
      slot.error_position = position;
    }
    --reading_;
    if (--slot.missing == 0 || reading_ == 0) is_ready_.notify_one();
  }

  /// Fills `pixels` and returns the label.
  int read_sample(const AugmentKey& key, std::span<std::uint8_t> pixels) const {
    return dataset_.show(key.sample, key, [&](const Image& image) {
      SEPIA_CHECK_KIND(image.rgb.size() == sample_bytes_, ErrorKind::kInternal, dataset_.path(key.sample), ": the data set gave a picture of ",
                       image.width, "x", image.height, " instead of ", dataset_.image_size(), " pixels square");
      apply_augment(options_.augment, key, image, pixels);
    });
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      may_begin_.wait(lock, [&] { return stopping_ || may_begin(); });
      if (stopping_) return;
      read_one(lock);
    }
  }

  const Dataset& dataset_;
  const LoaderOptions options_;
  std::vector<std::size_t> order_;  ///< changed between passes, when no thread reads
  std::size_t sample_bytes_ = 0;

  std::mutex mutex_;  ///< guards what follows
  std::condition_variable may_begin_, is_ready_;
  std::vector<Slot> slots_;
  std::size_t next_position_ = 0;  ///< in order_, of the next sample to begin
  std::size_t taken_ = 0;          ///< batches delivered or skipped
  std::uint32_t epoch_;
  int reading_ = 0;  ///< samples that threads are at
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

Loader::Loader(const Dataset& dataset, const LoaderOptions& options) : impl_(std::make_unique<Impl>(dataset, options)) {}
Loader::~Loader() = default;
bool Loader::next(Batch& batch) {
  return impl_->next(batch);
}
void Loader::begin_pass(std::uint32_t epoch) {
  impl_->begin_pass(epoch);
}
std::size_t Loader::batches() const {
  return impl_->batches();
}
const std::vector<std::size_t>& Loader::order() const {
  return impl_->order();
}

}  // namespace sepia
