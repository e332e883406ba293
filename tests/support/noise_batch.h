// A batch for training steps that need no pictures.
#pragma once

#include <cstdint>

#include "data/dataset.h"
#include "data/loader.h"
#include "engine/base/random.h"

namespace sepia::test {

/// A batch of noise pictures whose fakes are brighter, so that there is something to learn.
inline Batch noise_batch(int n, int size, std::uint32_t number) {
  Batch batch;
  batch.n = n;
  batch.height = batch.width = size;
  RandomStream random(5, RandomPurpose::kTest, number);
  for (int i = 0; i < n; ++i) {
    const bool fake = i % 2 == 1;
    batch.labels.push_back(fake ? kFake : kReal);
    batch.indices.push_back(static_cast<std::size_t>(i));
    for (int p = 0; p < size * size * 3; ++p) batch.pixels.push_back(static_cast<std::uint8_t>(random.next_u32() % 160 + (fake ? 95 : 0)));
  }
  return batch;
}

}  // namespace sepia::test
