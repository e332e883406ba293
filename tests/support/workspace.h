// Memory of a backend's device for one run of a case: uploads, outputs that start poisoned, downloads that check for overruns.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "tests/support/arrays.h"

namespace sepia::test {

/// Who notices a kernel that leaves its buffers.
enum class Bounds {
  kGuarded,  ///< the workspace: every buffer is followed by 0xff bytes (NaN, when read as numbers) and an output holds such bytes at
             ///< first, so a kernel that reads past an input or leaves an element unwritten shows NaN, and download() finds overruns
  kDevice,   ///< the device itself (an emulated one): buffers are exactly as long as they are said to be, outputs are never written
};

template <class T>
class Workspace {
 public:
  Workspace(const kernels::KernelTable<T>& kernel_table, const kernels::MemoryCalls& memory, Bounds bounds = Bounds::kGuarded)
      : table(kernel_table), memory_(memory), guard_bytes_(bounds == Bounds::kGuarded ? 256 : 0) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    for (const auto& [pointer, count] : counts_) memory_.release(const_cast<void*>(pointer));
  }

  /// A device copy of `values` in type E.
  template <class E = T>
  E* upload(const Array& values) {
    E* device = output<E>(static_cast<std::int64_t>(values.size()));
    std::vector<E> host(values.size());
    std::transform(values.begin(), values.end(), host.begin(), [](double v) { return convert<E>(v); });
    memory_.copy_from_host(context, device, host.data(), host.size() * sizeof(E));
    return device;
  }
  /// upload(inputs.at(name)), or null when the case has no such input.
  template <class E = T>
  E* upload_if_present(const Arrays& inputs, const std::string& name) {
    const auto found = inputs.find(name);
    return found == inputs.end() ? nullptr : upload<E>(found->second);
  }

  /// A device copy of one plain struct.
  template <class S>
  S* upload_struct(const S& value) {
    S* device = output<S>(1);
    memory_.copy_from_host(context, device, &value, sizeof(S));
    return device;
  }

  /// A poisoned buffer of `count` elements.
  template <class E = T>
  E* output(std::int64_t count) {
    const std::vector<std::byte> poison(count * sizeof(E) + guard_bytes_, kPoison);
    void* device = memory_.allocate(std::max<std::size_t>(poison.size(), 1));
    if (!device) throw std::runtime_error("no device memory for a test buffer");
    if (guard_bytes_ > 0) memory_.copy_from_host(context, device, poison.data(), poison.size());
    counts_[device] = count;
    return static_cast<E*>(device);
  }
  /// A buffer that a kernel adds to: it holds inputs.at(before) when `accumulate` is kAdd, and is poisoned when it is kWrite.
  template <class E = T>
  E* output(std::int64_t count, kernels::Accumulate accumulate, const Arrays& inputs, const std::string& before) {
    return accumulate == kernels::Accumulate::kAdd ? upload<E>(inputs.at(before)) : output<E>(count);
  }

  /// The elements of a buffer of this workspace. Throws when something wrote behind its end.
  template <class E>
  Array download(const E* device) {
    const std::vector<E> elements = download_raw(device);
    Array result(elements.size());
    std::transform(elements.begin(), elements.end(), result.begin(), [](E element) { return to_double(element); });
    return result;
  }
  template <class S>
  S download_struct(const S* device) {
    return download_raw(device).front();
  }

  const kernels::KernelTable<T>& table;
  const kernels::LaunchContext context{};

 private:
  template <class E>
  std::vector<E> download_raw(const E* device) {
    const std::int64_t count = counts_.at(device);
    std::vector<std::byte> bytes(count * sizeof(E) + guard_bytes_);
    memory_.synchronize(context);
    memory_.copy_to_host(context, bytes.data(), device, bytes.size());
    if (std::any_of(bytes.end() - static_cast<std::ptrdiff_t>(guard_bytes_), bytes.end(), [](std::byte b) { return b != kPoison; })) {
      throw std::runtime_error("a kernel wrote past the end of a buffer of " + std::to_string(count) + " elements");
    }
    std::vector<E> elements(count);
    if (count > 0) std::memcpy(elements.data(), bytes.data(), count * sizeof(E));
    return elements;
  }

  static constexpr std::byte kPoison{0xff};

  template <class E>
  static E convert(double v) {
    if constexpr (std::is_same_v<E, bf16>)
      return static_cast<bf16>(static_cast<float>(v));
    else
      return static_cast<E>(v);
  }

  template <class E>
  static double to_double(E element) {
    if constexpr (std::is_same_v<E, bf16>)
      return static_cast<float>(element);
    else
      return static_cast<double>(element);
  }

  const kernels::MemoryCalls& memory_;
  const std::size_t guard_bytes_;
  std::map<const void*, std::int64_t> counts_;
};

}  // namespace sepia::test
