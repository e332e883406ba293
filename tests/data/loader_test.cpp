#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <numeric>
#include <set>
#include <thread>

#include "engine/base/error.h"
#include "tests/data/test_pictures.h"

namespace sepia {
namespace {

/// Small pictures made on the fly; counts reads, and fails or dawdles where told.
class FakeDataset final : public Dataset {
 public:
  explicit FakeDataset(std::size_t count, int side = 8) : count_(count), side_(side) {}

  std::size_t size() const override { return count_; }
  Sample at(std::size_t i) const override {
    ++reads;
    if (dawdle) std::this_thread::sleep_for(std::chrono::microseconds(50 * (i * 7 % 11)));
    if (bad.contains(i)) fail(ErrorKind::kData, path(i), ": planted");
    return {test::make_picture(side_, side_, static_cast<std::uint32_t>(i)), label(i)};
  }
  int label(std::size_t i) const override { return static_cast<int>(i % 2); }
  std::string path(std::size_t i) const override { return "sample" + std::to_string(i); }
  int image_size() const override { return side_; }

  mutable std::atomic<int> reads{0};
  bool dawdle = false;
  std::set<std::size_t> bad;

 private:
  std::size_t count_;
  int side_;
};

struct Pass {
  std::vector<int> sizes, labels;
  std::vector<std::size_t> indices;
  std::vector<std::uint8_t> pixels;
  bool operator==(const Pass&) const = default;
};

Pass rest_of(Loader& loader) {
  Pass pass;
  Batch batch;
  while (loader.next(batch)) {
    pass.sizes.push_back(batch.n);
    pass.labels.insert(pass.labels.end(), batch.labels.begin(), batch.labels.end());
    pass.indices.insert(pass.indices.end(), batch.indices.begin(), batch.indices.end());
    pass.pixels.insert(pass.pixels.end(), batch.pixels.begin(), batch.pixels.end());
  }
  EXPECT_FALSE(loader.next(batch));
  return pass;
}

Pass run(const Dataset& dataset, const LoaderOptions& options) {
  Loader loader(dataset, options);
  return rest_of(loader);
}

TEST(Loader, DeliversEverySampleOnceAndKeepsTheLastSmallerBatch) {
  const FakeDataset dataset(37);
  const Pass pass = run(dataset, {.batch_size = 8});
  EXPECT_EQ(pass.sizes, (std::vector<int>{8, 8, 8, 8, 5}));
  std::vector<std::size_t> expected(37);
  std::iota(expected.begin(), expected.end(), std::size_t{0});
  EXPECT_EQ(pass.indices, expected);
  for (std::size_t i = 0; i < 37; ++i) {
    EXPECT_EQ(pass.labels[i], dataset.label(i));
    const Image image = dataset.at(i).image;
    EXPECT_EQ(std::memcmp(pass.pixels.data() + i * image.rgb.size(), image.rgb.data(), image.rgb.size()), 0);
  }
}

TEST(Loader, OutputDoesNotDependOnTheNumberOfWorkers) {
  FakeDataset dataset(101);
  dataset.dawdle = true;
  LoaderOptions options{.batch_size = 7, .shuffle = true, .seed = 3, .epoch = 2, .augment = Augment::kDocument, .workers = 0};
  const Pass expected = run(dataset, options);
  for (const int workers : {1, 2, 5}) {
    for (const int prefetch : {1, 3}) {
      options.workers = workers;
      options.prefetch = prefetch;
      EXPECT_EQ(run(dataset, options), expected) << workers << " workers, " << prefetch << " batches ahead";
    }
  }
}

TEST(Loader, ShuffleIsAPermutationOfItsOwnForEveryEpochAndSeed) {
  const FakeDataset dataset(64);
  const auto order = [&](std::uint64_t seed, std::uint32_t epoch) {
    return sample_order(dataset.size(), {.shuffle = true, .seed = seed, .epoch = epoch});
  };
  auto sorted = order(1, 1);
  EXPECT_EQ(sorted, order(1, 1));
  EXPECT_NE(sorted, order(1, 2));
  EXPECT_NE(sorted, order(2, 1));
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(sorted[i], i);
}

TEST(Loader, AStartedPassEqualsTheRestOfAWholeOne) {
  const FakeDataset dataset(37);
  LoaderOptions options{.batch_size = 8, .shuffle = true, .seed = 5, .epoch = 1, .augment = Augment::kDocument};
  const Pass whole = run(dataset, options);
  for (const std::size_t start : {1u, 3u, 5u}) {
    options.start_batch = start;
    const Pass rest = run(dataset, options);
    EXPECT_EQ(rest.indices, std::vector<std::size_t>(whole.indices.begin() + std::min<std::ptrdiff_t>(37, std::ptrdiff_t(8 * start)),
                                                     whole.indices.end()));
    EXPECT_TRUE(std::equal(rest.pixels.rbegin(), rest.pixels.rend(), whole.pixels.rbegin()));
  }
}

TEST(Loader, LaterPassesEqualThoseOfNewLoaders) {
  FakeDataset dataset(37);
  dataset.dawdle = true;
  for (const int workers : {0, 1, 3}) {
    LoaderOptions options{.batch_size = 8, .shuffle = true, .seed = 5, .epoch = 2, .augment = Augment::kDocument, .workers = workers, .prefetch = 2, .start_batch = 3};
    Loader loader(dataset, options);
    Batch batch;
    for (const std::uint32_t epoch : {3u, 4u, 3u}) {
      if (epoch != 4) loader.next(batch);  // and leaves the rest of the pass
      loader.begin_pass(epoch);
      options.epoch = epoch;
      options.start_batch = 0;
      EXPECT_EQ(rest_of(loader), run(dataset, options)) << workers << " workers, epoch " << epoch;
    }
  }
}

TEST(Loader, TheChangesOfASampleAreOthersInEveryEpoch) {
  const FakeDataset dataset(20);
  Loader loader(dataset, {.batch_size = 8, .epoch = 1, .augment = Augment::kDocument});
  const Pass first = rest_of(loader);
  loader.begin_pass(2);
  const Pass second = rest_of(loader);
  EXPECT_EQ(second.indices, first.indices);
  EXPECT_NE(second.pixels, first.pixels);
}

TEST(Loader, AfterAnErrorThereIsNoOtherPass) {
  FakeDataset dataset(8);
  dataset.bad = {3};
  Loader loader(dataset, {.batch_size = 8});
  Batch batch;
  EXPECT_THROW(loader.next(batch), Error);
  EXPECT_THROW(loader.begin_pass(2), Error);
}

TEST(Loader, SubsetKeepsItsOrderAndItsAugmentation) {
  const FakeDataset dataset(20);
  const Pass some = run(dataset, {.batch_size = 2, .augment = Augment::kDocument, .samples = {7, 3, 11}});
  EXPECT_EQ(some.indices, (std::vector<std::size_t>{7, 3, 11}));
  const Pass all = run(dataset, {.batch_size = 4, .augment = Augment::kDocument});
  const std::size_t bytes = 8 * 8 * 3;  // the change of a sample depends on its index, not on its place in the pass
  EXPECT_TRUE(std::equal(some.pixels.begin(), some.pixels.begin() + bytes, all.pixels.begin() + 7 * bytes));
}

TEST(Loader, ReadsNoFurtherAheadThanAllowed) {
  const FakeDataset dataset(1000);
  Loader loader(dataset, {.batch_size = 4, .workers = 3, .prefetch = 2});
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(dataset.reads, 3 * 4);
}

TEST(Loader, ErrorOfAWorkerArrivesAtItsBatchAndNamesTheFirstBadSample) {
  FakeDataset dataset(40);
  dataset.bad = {21, 18, 22, 39};
  dataset.dawdle = true;
  for (const int workers : {0, 1, 4}) {
    Loader loader(dataset, {.batch_size = 8, .workers = workers});
    Batch batch;
    EXPECT_TRUE(loader.next(batch));
    EXPECT_TRUE(loader.next(batch));
    try {
      loader.next(batch);
      FAIL() << "no error with " << workers << " workers";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_STREQ(error.what(), "sample18: planted");
    }
    EXPECT_FALSE(loader.next(batch));
  }
}

TEST(Loader, StopsCleanlyInTheMiddle) {
  const FakeDataset dataset(1000);
  for (int i = 0; i < 20; ++i) {
    Loader loader(dataset, {.batch_size = 16, .workers = 4});
    Batch batch;
    for (int k = 0; k < i % 3; ++k) loader.next(batch);
  }
}

TEST(Loader, EmptyDataSetEndsAtOnce) {
  const FakeDataset dataset(0);
  Loader loader(dataset, {});
  Batch batch;
  EXPECT_EQ(loader.batches(), 0u);
  EXPECT_FALSE(loader.next(batch));
}

TEST(Loader, UsesTheCallersMemoryAgain) {
  const FakeDataset dataset(64);
  Loader loader(dataset, {.batch_size = 8, .workers = 1, .prefetch = 2});
  Batch batch;
  std::set<const std::uint8_t*> buffers;
  while (loader.next(batch)) buffers.insert(batch.pixels.data());
  EXPECT_LE(buffers.size(), 3u);
}

TEST(Loader, RefusesOptionsOutOfRange) {
  const FakeDataset dataset(4);
  EXPECT_THROW(Loader(dataset, {.batch_size = 0}), Error);
  EXPECT_THROW(Loader(dataset, {.batch_size = -3}), Error);
  EXPECT_THROW(Loader(dataset, {.workers = -1}), Error);
  EXPECT_THROW(Loader(dataset, {.prefetch = 0}), Error);
  EXPECT_THROW(Loader(dataset, {.batch_size = 4, .start_batch = 2}), Error);
  EXPECT_THROW(Loader(dataset, {.samples = {4}}), Error);
}

}  // namespace
}  // namespace sepia
