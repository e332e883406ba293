// Objects without an end: the engine's own last objects may still call the emulator while the process ends, in whatever order.
#pragma once

#include <new>
#include <utility>

namespace simt::core {

/// A T that is made at the program's start and never destroyed.
template <class T>
class Forever {
 public:
  template <class... Arguments>
  explicit Forever(Arguments&&... arguments) {
    new (place_) T(std::forward<Arguments>(arguments)...);
  }
  T& get() { return *std::launder(reinterpret_cast<T*>(place_)); }

 private:
  alignas(T) unsigned char place_[sizeof(T)];
};

}  // namespace simt::core
