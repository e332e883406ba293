// What a pickle's values become: containers that grow, and the few globals, storages and tensors (private to engine/io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/io/pickle.h"

namespace sepia::detail {

/// Makes and changes the values of one Pickle within its limits. Indices come from the machine and are always in range. All throw kData,
/// beginning with `source`.
class PickleObjects {
 public:
  PickleObjects(Pickle& pickle, std::string_view source, const PickleLimits& limits) : pickle_(pickle), source_(source), limits_(limits) {}

  /// Adds a value and returns its index.
  std::uint32_t make(PickleValue value);
  /// To be called before containers get `count` more members.
  void count_items(std::size_t count);
  /// Appends to a list, or adds key, value, ... to a dict.
  void extend(std::uint32_t container, PickleKind kind, std::span<const std::uint32_t> items);

  /// A global from the closed list; the refusal names any other.
  std::uint32_t global(std::string_view module, std::string_view name);
  /// What "calling" a global with a tuple of arguments describes.
  std::uint32_t reduce(std::uint32_t function, std::uint32_t arguments);
  /// Sets an object's attributes. Those of a dict (a state dict's _metadata) are not wanted; of a NumPy type only the byte order is looked
  /// at. No other object may have any. `place` is for the message.
  void set_state(std::uint32_t object, std::uint32_t state, std::size_t place) const;
  /// ('storage', type, key, location, elements [, view]), the only persistent id that there is.
  std::uint32_t storage(std::uint32_t id);

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const;
  const PickleValue& item(const PickleValue& container, std::size_t index, PickleKind kind, const char* what) const;
  std::vector<std::int64_t> extents(const PickleValue& container, std::size_t index, const char* what) const;
  std::uint32_t tensor(const PickleValue& arguments, bool typed);
  std::uint32_t ordered_dict(const PickleValue& arguments);
  std::uint32_t numpy_type(const PickleValue& arguments);
  std::uint32_t numpy_scalar(const PickleValue& arguments);
  std::uint32_t encoded(const PickleValue& arguments);

  Pickle& pickle_;
  std::string_view source_;
  PickleLimits limits_;
  std::size_t items_ = 0;
};

}  // namespace sepia::detail
