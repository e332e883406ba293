#include "engine/io/state_dict.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>
#include <tuple>

#include "engine/base/error.h"
#include "engine/io/safetensors_header.h"

namespace sepia::detail {
namespace {

constexpr std::array<std::string_view, 4> kUsualKeys{"model", "state_dict", "model_state_dict", "net"};
constexpr std::size_t kMaxNotes = 200, kMaxNoteText = 200;

/// Bytes of a storage that one tensor covers, from its first element to its last.
struct Extent {
  std::string_view storage;
  std::uint64_t begin = 0, end = 0;
  std::string name;
};

class Extractor {
 public:
  Extractor(const Pickle& pickle, const StorageBytes& storage_bytes, std::uint64_t file_bytes, WeightFile& file)
      : pickle_(pickle), storage_bytes_(storage_bytes), bytes_left_(2 * file_bytes), file_(file) {}

  void run(const WeightFileOptions& options) {
    if (pickle_.top().kind == PickleKind::kTensor) refuse("holds one bare tensor, not a state dict of named ones");
    if (pickle_.top().kind != PickleKind::kDict) refuse("holds no dict of named tensors; in Python, save model.state_dict()");
    const PickleValue& state = find_state(options.key);
    if (&state != &pickle_.top()) note_rest(pickle_.top(), &state);
    take(state);
    check_overlaps();
    if (file_.tensors.empty()) refuse("holds no tensors");
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::kData, file_.source, ": ", parts...);
  }

  /// Calls visit(key, value) for every member of a dict whose key is text; says which key stands twice.
  template <class Visit>
  void for_each(const PickleValue& dict, Visit visit) const {
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = pickle_.at(dict.items[i]);
      if (key.kind != PickleKind::kText) continue;  // an optimiser's per-parameter state has numbers
      if (!seen.insert(key.text).second) refuse(printable(key.text), " stands twice in one dict");
      visit(key.text, pickle_.at(dict.items[i + 1]));
    }
  }

  bool has_tensors(const PickleValue& value) const {
    if (value.kind != PickleKind::kDict) return false;
    for (std::size_t i = 1; i < value.items.size(); i += 2) {
      if (pickle_.at(value.items[i]).kind == PickleKind::kTensor) return true;
    }
    return false;
  }

  const PickleValue& find_state(const std::string& asked) {
    const PickleValue& top = pickle_.top();
    const PickleValue* found = nullptr;
    std::string names;
    for_each(top, [&](std::string_view name, const PickleValue& value) {
      if (!has_tensors(value)) return;
      names += (names.empty() ? "" : ", ") + printable(name);
      const bool wanted = asked.empty() ? std::find(kUsualKeys.begin(), kUsualKeys.end(), name) != kUsualKeys.end() : name == asked;
      if (!wanted) return;
      if (found != nullptr) refuse("holds state dicts under ", printable(file_.key), " and ", printable(name), "; say which with --key");
      found = &value;
      file_.key = name;
    });
    if (found != nullptr) return *found;
    const std::string candidates = names.empty() ? "no dict of tensors in it" : "dicts of tensors: " + names;
    if (!asked.empty()) refuse("has no state dict under --key ", printable(asked), " (", candidates, ")");
    if (!has_tensors(top)) refuse("no state dict found at the top or under model, state_dict, model_state_dict or net (", candidates, "); --key names another");
    return top;
  }

  static std::string number_text(double value) {
    char buffer[32];
    const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
    return {buffer, result.ptr};
  }

  /// A plain value as text, or nothing.
  static std::optional<std::string> plain(const PickleValue& value) {
    switch (value.kind) {
      case PickleKind::kNone: return "none";
      case PickleKind::kBool: return value.integer != 0 ? "true" : "false";
      case PickleKind::kInt: return std::to_string(value.integer);
      case PickleKind::kFloat: return number_text(value.real);
      case PickleKind::kText: {
        const std::string shown = printable(value.text.substr(0, kMaxNoteText));
        return shown.substr(1, shown.size() - 2);
      }
      default: return std::nullopt;
    }
  }

  void note(std::string_view name, const PickleValue& value) {
    const auto text = plain(value);
    const std::string shown = printable(name);
    if (text && file_.notes.size() < kMaxNotes) {
      file_.notes.emplace_back(shown.substr(1, shown.size() - 2), *text);
    } else if (file_.skipped.size() < kMaxNotes) {
      file_.skipped.push_back(shown.substr(1, shown.size() - 2));
    }
  }

  void note_rest(const PickleValue& dict, const PickleValue* state) {
    for_each(dict, [&](std::string_view name, const PickleValue& value) {
      if (&value != state) note(name, value);
    });
  }

  void take(const PickleValue& state) {
    for_each(state, [&](std::string_view name, const PickleValue& value) {
      if (value.kind != PickleKind::kTensor) return note(name, value);
      if (const char* fault = fault_of_tensor_name(name)) refuse("tensor name ", printable(name), " ", fault);
      file_.tensors.push_back(tensor(name, pickle_.tensors[static_cast<std::size_t>(value.integer)]));
    });
  }

  FileTensor tensor(std::string_view name, const PickleTensor& described) {
    const PickleStorage& storage = pickle_.storages[described.storage];
    const std::string shown = "tensor " + printable(name);
    const auto dtype = described.dtype ? described.dtype : storage.dtype;
    if (!dtype) refuse(shown, " has elements of ", storage.type, ", which no weights have");
    const std::uint64_t size = dtype_size(*dtype);
    const auto bytes = tensor_bytes(described.shape, *dtype);
    if (!bytes) refuse(shown, " is ", shape_text(described.shape), ", larger than a file can be");
    if (*bytes > bytes_left_) refuse("tensors are larger than the file together, at ", shown, " of ", *bytes, " bytes");
    bytes_left_ -= *bytes;
    const std::span<const std::byte> whole = storage_bytes_(storage);
    FileTensor result{std::string(name), *dtype, described.shape, {}};
    if (*bytes == 0) return result;
    const Extent extent = extent_of(described, storage, whole.size() / size, shown);
    if (*bytes > (extent.end - extent.begin) * size) refuse(shown, " ", shape_text(described.shape), " repeats elements of its storage");
    extents_.push_back({extent.storage, extent.begin * size, extent.end * size, std::string(name)});
    result.data.resize(static_cast<std::size_t>(*bytes));
    copy(described, whole.data() + extent.begin * size, size, result.data);
    return result;
  }

  /// First and one past the last element that a tensor touches, in its storage of `elements`.
  Extent extent_of(const PickleTensor& described, const PickleStorage& storage, std::uint64_t elements, const std::string& shown) const {
    const auto outside = [&] {
      refuse(shown, " ", shape_text(described.shape), " with strides ", shape_text(described.strides), " at ", described.offset,
             " reaches outside its storage of ", elements, " elements");
    };
    std::uint64_t begin = storage.view_offset;
    if (begin > elements || static_cast<std::uint64_t>(described.offset) > elements - begin) outside();
    begin += static_cast<std::uint64_t>(described.offset);
    std::uint64_t last = begin;
    for (std::size_t i = 0; i < described.shape.size(); ++i) {
      const auto steps = static_cast<std::uint64_t>(described.shape[i] - 1), stride = static_cast<std::uint64_t>(described.strides[i]);
      if (steps > 0 && stride > elements / steps) outside();
      last += steps * stride;  // at most `elements` more each time
      if (last >= elements) outside();
    }
    if (last >= elements) outside();
    return {storage.key, begin, last + 1, {}};
  }

  /// Row-major copy of a strided tensor with at least one element; `from` is its first.
  static void copy(const PickleTensor& described, const std::byte* from, std::uint64_t size, std::vector<std::byte>& to) {
    const std::size_t dimensions = described.shape.size();
    std::int64_t dense = 1;
    bool contiguous = true;
    for (std::size_t i = dimensions; i-- > 0;) {
      contiguous = contiguous && (described.shape[i] == 1 || described.strides[i] == dense);
      dense *= described.shape[i];
    }
    if (contiguous) {
      std::memcpy(to.data(), from, to.size());
      return;
    }
    std::vector<std::int64_t> at(dimensions, 0);
    for (std::size_t done = 0; done < to.size(); done += size) {
      std::uint64_t element = 0;
      for (std::size_t i = 0; i < dimensions; ++i) element += static_cast<std::uint64_t>(at[i] * described.strides[i]);
      std::memcpy(to.data() + done, from + element * size, size);
      for (std::size_t i = dimensions; i-- > 0;) {
        if (++at[i] < described.shape[i]) break;
        at[i] = 0;
      }
    }
  }

  /// Tensors may be the same elements under two names (tied weights), but not share a part of them.
  void check_overlaps() {
    const auto place = [](const Extent& extent) { return std::tuple(extent.storage, extent.begin, extent.end); };
    std::sort(extents_.begin(), extents_.end(), [&](const Extent& a, const Extent& b) { return place(a) < place(b); });
    for (std::size_t i = 1; i < extents_.size(); ++i) {
      const Extent &a = extents_[i - 1], &b = extents_[i];
      if (a.storage == b.storage && b.begin < a.end && place(a) != place(b)) {
        refuse("tensors ", printable(a.name), " and ", printable(b.name), " share a part of their elements");
      }
    }
  }

  const Pickle& pickle_;
  const StorageBytes& storage_bytes_;
  std::uint64_t bytes_left_;
  WeightFile& file_;
  std::vector<Extent> extents_;
};

}  // namespace

void extract_state_dict(const Pickle& pickle, const StorageBytes& storage_bytes, std::uint64_t file_bytes, const WeightFileOptions& options,
                        WeightFile& file) {
  Extractor(pickle, storage_bytes, file_bytes, file).run(options);
}

}  // namespace sepia::detail
