// Leaves of the tape from doubles, on both host devices, and what tests ask of them afterwards.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/autograd/variable.h"
#include "engine/base/error.h"
#include "engine/ops/materialise.h"
#include "tests/support/arrays.h"
#include "tests/support/op_checks.h"
#include "tests/support/tolerance.h"

namespace sepia::test {

/// Where the tape runs: the double reference or the CPU's float kernels.
struct Place {
  Device device;
  DType dtype;

  Tensor tensor(const Array& values, const Shape& shape) const { return tensor_from_doubles(values, shape, dtype, device); }
  Variable leaf(const Array& values, const Shape& shape) const { return Variable::leaf(tensor(values, shape)); }
  /// The tolerance table's entry; double is held to 1e-10.
  Tolerance limit(double terms, const Array& expected) const {
    return dtype == DType::kF64 ? Tolerance{1e-10, 1e-10} : tolerance<float>(terms, expected);
  }
};
inline const Place kDoubleReference{kReferenceDevice, DType::kF64};
inline const Place kFloatCpu{kCpuDevice, DType::kF32};
inline const Place kPlaces[] = {kDoubleReference, kFloatCpu};

/// The CPU in every type that it computes in here.
inline std::vector<Place> cpu_places() {
  std::vector<Place> found{kFloatCpu};
  if (backend_of(kCpuDevice).bfloat16) found.push_back({kCpuDevice, DType::kBF16});
  return found;
}

/// The value, materialised, in double.
inline Array value_of(const Variable& x) { return ops::materialise(x).value().to_doubles(); }
inline Array grad_of(const Variable& x) { return x.grad().to_doubles(); }

/// The message of the sepia::Error that f throws; a failure and "" when it throws none or one of another kind.
template <class F>
std::string error_of(const F& f, ErrorKind kind = ErrorKind::kUsage) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace sepia::test
