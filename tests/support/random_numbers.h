// Numbers for kernels that are called with plain arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/random.h"

namespace sepia::test {

/// `count` numbers in [-1, 1), a function of `array`, rounded to T.
template <class T>
std::vector<T> random_numbers(std::int64_t count, std::uint32_t array) {
  RandomStream random(11, RandomPurpose::kTest, array);
  std::vector<T> numbers;
  for (std::int64_t i = 0; i < count; ++i) numbers.push_back(T(static_cast<float>(random.uniform(-1, 1))));
  return numbers;
}

}  // namespace sepia::test
