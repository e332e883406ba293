#include "engine/tensor/tensor.h"

namespace sepia {

class Tensor::Storage {
 public:
  Storage(Device device, std::size_t bytes) : arena_(arena_of(device)), pointer_(arena_->allocate(bytes)) {}
  /// Memory that belongs to somebody else.
  explicit Storage(void* borrowed) : pointer_(borrowed) {}
  ~Storage() {
    if (arena_) arena_->release(pointer_);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  void* pointer() const { return pointer_; }

 private:
  std::shared_ptr<StepArena> arena_;
  void* pointer_;
};

namespace {

const kernels::MemoryCalls& memory_of(Device device) { return backend_of(device).memory; }

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  Tensor result;
  result.shape_ = shape;
  result.dtype_ = dtype;
  result.device_ = device;
  result.storage_ = std::make_shared<Storage>(device, result.bytes());
  return result;
}

Tensor Tensor::view(const void* memory, std::size_t count, const Shape& shape, DType dtype, Device device) {
  SEPIA_CHECK_KIND(device.on_host() && count == static_cast<std::size_t>(shape.numel()), ErrorKind::kInternal, "[view] ", count, " values of host memory as ", shape,
                   " on ", device);
  Tensor result;
  result.shape_ = shape;
  result.dtype_ = dtype;
  result.device_ = device;
  result.storage_ = std::make_shared<Storage>(const_cast<void*>(memory));
  return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  result.zero();
  return result;
}

void* Tensor::raw() const {
  SEPIA_CHECK_KIND(defined(), ErrorKind::kInternal, "[tensor] is undefined");
  return static_cast<std::byte*>(storage_->pointer()) + static_cast<std::size_t>(offset_) * dtype_size(dtype_);
}

Tensor Tensor::reshape(const Shape& shape) const {
  SEPIA_CHECK(shape.numel() == numel(), "[reshape] ", shape_, " has ", numel(), " elements, ", shape, " has ", shape.numel());
  Tensor result = *this;
  result.shape_ = shape;
  return result;
}

Tensor Tensor::slice(std::int64_t offset, const Shape& shape) const {
  SEPIA_CHECK_KIND(offset >= 0 && offset + shape.numel() <= numel(), ErrorKind::kInternal, "[slice] elements ", offset, " to ",
                   offset + shape.numel(), " of ", numel());
  Tensor result = *this;
  result.offset_ = offset_ + offset;
  result.shape_ = shape;
  return result;
}

Tensor Tensor::clone() const {
  Tensor result = empty(shape_, dtype_, device_);
  result.copy_from(*this);
  return result;
}

void Tensor::zero() const { memory_of(device_).zero({}, raw(), bytes()); }

void Tensor::copy_from(const Tensor& source) const {
  SEPIA_CHECK_KIND(source.shape_ == shape_ && source.dtype_ == dtype_, ErrorKind::kInternal, "[copy] from ", source.dtype_, " ",
                   source.shape_, " to ", dtype_, " ", shape_);
  if (device_.on_host()) {
    memory_of(source.device_).copy_to_host({}, raw(), source.raw(), bytes());
  } else if (source.device_.on_host()) {
    memory_of(device_).copy_from_host({}, raw(), source.raw(), bytes());
  } else {
    memory_of(device_).copy({}, raw(), source.raw(), bytes());
  }
}

void Tensor::copy_from_host(std::span<const std::byte> source) const {
  SEPIA_CHECK_KIND(source.size() == bytes(), ErrorKind::kInternal, "[copy] ", source.size(), " host bytes into ", bytes());
  memory_of(device_).copy_from_host({}, raw(), source.data(), bytes());
}

void Tensor::copy_to_host(std::span<std::byte> destination) const {
  SEPIA_CHECK_KIND(destination.size() == bytes(), ErrorKind::kInternal, "[copy] ", bytes(), " bytes into ", destination.size(), " on the host");
  memory_of(device_).copy_to_host({}, destination.data(), raw(), bytes());
}

std::vector<double> Tensor::to_doubles() const {
  std::vector<double> result;
  result.reserve(static_cast<std::size_t>(numel()));
  const auto append = [&](const auto& values) {
    for (const auto& value : values) result.push_back(static_cast<double>(static_cast<Accumulator<std::decay_t<decltype(value)>>>(value)));
  };
  switch (dtype_) {
    case DType::kF32: append(to_host<float>()); break;
    case DType::kF64: append(to_host<double>()); break;
    case DType::kBF16: append(to_host<bf16>()); break;
    default: fail(ErrorKind::kInternal, "[tensor] ", dtype_, " is no floating type");
  }
  return result;
}

double Tensor::item() const {
  SEPIA_CHECK_KIND(numel() == 1, ErrorKind::kInternal, "[tensor] item() of ", shape_);
  return to_doubles()[0];
}

Tensor tensor_from_doubles(std::span<const double> values, const Shape& shape, DType dtype, Device device) {
  const auto convert = [&]<class T>(T) {
    std::vector<T> converted;
    converted.reserve(values.size());
    for (const double value : values) converted.push_back(static_cast<T>(static_cast<Accumulator<T>>(value)));
    return Tensor::from_host<T>(converted, shape, device);
  };
  switch (dtype) {
    case DType::kF32: return convert(float{});
    case DType::kF64: return convert(double{});
    case DType::kBF16: return convert(bf16{});
    default: fail(ErrorKind::kInternal, "[tensor] ", dtype, " is no floating type");
  }
}

}  // namespace sepia
