// A dense tensor: a shape, an element type, a device and a share of a block of memory. No strides: elements lie in row-major
// order (activations NHWC), and reshaping is the only view.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/dtype.h"
#include "engine/base/error.h"
#include "engine/base/shape.h"
#include "engine/tensor/device.h"

namespace sepia {

/// Copies share memory (as in PyTorch); clone() does not. A default-made tensor is undefined.
class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised memory from the device's arena.
  static Tensor empty(const Shape& shape, DType dtype, Device device);
  static Tensor zeros(const Shape& shape, DType dtype, Device device);
  /// A copy of host values; values.size() must be shape.numel().
  template <class T>
  static Tensor from_host(std::span<const T> values, const Shape& shape, Device device) {
    Tensor result = empty(shape, kDTypeOf<T>, device);
    result.copy_from_host(std::as_bytes(values));
    return result;
  }

  /// Somebody else's host memory as a tensor, to be read: it is not copied and must outlive every tensor that shares it. A host device only.
  template <class T>
  static Tensor view_of_host(std::span<const T> values, const Shape& shape, Device device) {
    return view(values.data(), values.size(), shape, kDTypeOf<T>, device);
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  std::int64_t numel() const { return shape_.numel(); }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * dtype_size(dtype_); }

  /// Pointer to the first element on the device. T must be the element type.
  template <class T>
  T* data() const {
    SEPIA_CHECK_KIND(kDTypeOf<T> == dtype_, ErrorKind::kInternal, "[tensor] holds ", dtype_, ", not ", kDTypeOf<T>);
    return static_cast<T*>(raw());
  }
  /// data<T>() or null when undefined: for optional arguments of kernels.
  template <class T>
  T* data_or_null() const { return defined() ? data<T>() : nullptr; }
  void* raw() const;

  /// The same memory under another shape with as many elements.
  Tensor reshape(const Shape& shape) const;
  /// `shape` elements of the same memory starting at element `offset`: how parameters lie in a flat arena.
  Tensor slice(std::int64_t offset, const Shape& shape) const;
  Tensor clone() const;
  /// Whether no other tensor shares this memory, so that writing in place is seen by nobody else.
  bool sole_owner() const { return storage_.use_count() == 1; }

  void zero() const;
  /// Copies between tensors of equal shape and type; devices may differ.
  void copy_from(const Tensor& source) const;
  void copy_from_host(std::span<const std::byte> source) const;
  void copy_to_host(std::span<std::byte> destination) const;
  /// All elements as host values.
  template <class T>
  std::vector<T> to_host() const {
    SEPIA_CHECK_KIND(kDTypeOf<T> == dtype_, ErrorKind::kInternal, "[tensor] holds ", dtype_, ", not ", kDTypeOf<T>);
    std::vector<T> values(static_cast<std::size_t>(numel()));
    copy_to_host(std::as_writable_bytes(std::span(values)));
    return values;
  }
  /// All elements as doubles, whatever floating type they are.
  std::vector<double> to_doubles() const;
  /// The one element of a one-element tensor as double.
  double item() const;

 private:
  class Storage;
  static Tensor view(const void* memory, std::size_t count, const Shape& shape, DType dtype, Device device);
  std::shared_ptr<Storage> storage_;
  std::int64_t offset_ = 0;  // in elements
  Shape shape_;
  DType dtype_ = DType::kF32;
  Device device_;
};

/// A tensor of doubles converted to `dtype` (f32, f64 or bf16).
Tensor tensor_from_doubles(std::span<const double> values, const Shape& shape, DType dtype, Device device);

}  // namespace sepia
