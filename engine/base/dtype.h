// Element types of tensors and files, and the map from C++ types to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include "engine/base/bf16.h"

namespace sepia {

/// Element types. Computation runs in kF32, kF64 (reference backend) and kBF16; the others occur in files and batches.
enum class DType : std::uint8_t { kF32, kF64, kBF16, kF16, kU8, kI32, kI64 };

/// Bytes of one element.
std::size_t dtype_size(DType dtype);
/// "f32", "f64", "bf16", "f16", "u8", "i32", "i64".
const char* dtype_name(DType dtype);
std::ostream& operator<<(std::ostream& out, DType dtype);

template <class T>
struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::kF32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::kF64; };
template <> struct DTypeOf<bf16> { static constexpr DType value = DType::kBF16; };
template <> struct DTypeOf<std::uint8_t> { static constexpr DType value = DType::kU8; };
template <> struct DTypeOf<std::int32_t> { static constexpr DType value = DType::kI32; };
template <> struct DTypeOf<std::int64_t> { static constexpr DType value = DType::kI64; };
template <class T>
inline constexpr DType kDTypeOf = DTypeOf<T>::value;

/// The type in which sums, statistics, master weights and optimiser state of a T computation are kept:
/// float for bf16, T itself otherwise.
template <class T>
struct AccumulatorOf { using type = T; };
template <> struct AccumulatorOf<bf16> { using type = float; };
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;
/// The same at run time.
inline DType accumulator_dtype(DType dtype) { return dtype == DType::kBF16 ? DType::kF32 : dtype; }

}  // namespace sepia
