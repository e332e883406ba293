#include "engine/io/pickle_objects.h"

#include <utility>

#include "engine/base/error.h"
#include "engine/io/pickle_globals.h"
#include "engine/io/pickle_numpy.h"
#include "engine/io/safetensors_header.h"

namespace sepia::detail {
namespace {

constexpr std::size_t kMaxDimensions = 8;  // of a network's tensors; PyTorch itself allows 64

}  // namespace

template <class... Parts>
void PickleObjects::refuse(const Parts&... parts) const {
  fail(ErrorKind::kData, source_, ": ", parts...);
}

std::uint32_t PickleObjects::make(PickleValue value) {
  if (pickle_.values.size() >= limits_.values) refuse("the pickle makes more than ", limits_.values, " values; a checkpoint has far fewer");
  pickle_.values.push_back(std::move(value));
  return static_cast<std::uint32_t>(pickle_.values.size() - 1);
}

void PickleObjects::count_items(std::size_t count) {
  items_ += count;
  if (items_ > limits_.items) refuse("the pickle's lists and dicts have more than ", limits_.items, " members");
}

void PickleObjects::extend(std::uint32_t container, PickleKind kind, std::span<const std::uint32_t> items) {
  PickleValue& value = pickle_.values[container];
  if (value.kind != kind) refuse("the pickle adds members to what is no ", kind == PickleKind::kDict ? "dict" : "list");
  if (kind == PickleKind::kDict && items.size() % 2 != 0) refuse("the pickle adds a key without a value to a dict");
  count_items(items.size());
  value.items.insert(value.items.end(), items.begin(), items.end());
}

std::uint32_t PickleObjects::global(std::string_view module, std::string_view name) {
  const KnownGlobal* known = find_global(module, name);
  if (known == nullptr) {
    const std::string whole = printable(str(module, ".", name));
    refuse("refuses to run ", whole.substr(1, whole.size() - 2),
           " (a checkpoint holds only tensors; in Python, save model.state_dict() and nothing else)");
  }
  return make({.kind = PickleKind::kGlobal, .text = known->name});
}

const PickleValue& PickleObjects::item(const PickleValue& container, std::size_t index, PickleKind kind, const char* what) const {
  if (index >= container.items.size() || pickle_.at(container.items[index]).kind != kind) refuse("the pickle describes ", what, " wrongly (part ", index, ")");
  return pickle_.at(container.items[index]);
}

std::vector<std::int64_t> PickleObjects::extents(const PickleValue& container, std::size_t index, const char* what) const {
  const PickleValue& tuple = item(container, index, PickleKind::kTuple, what);
  if (tuple.items.size() > kMaxDimensions) refuse("the pickle describes a tensor of ", tuple.items.size(), " dimensions; ", kMaxDimensions, " are allowed");
  std::vector<std::int64_t> result;
  for (std::size_t i = 0; i < tuple.items.size(); ++i) {
    result.push_back(item(tuple, i, PickleKind::kInt, what).integer);
    if (result.back() < 0) refuse("the pickle describes a tensor with the extent or stride ", result.back());
  }
  return result;
}

std::uint32_t PickleObjects::tensor(const PickleValue& arguments, bool typed) {
  if (pickle_.tensors.size() >= limits_.tensors) refuse("the pickle describes more than ", limits_.tensors, " tensors");
  constexpr const char* kWhat = "a tensor";
  PickleTensor tensor;
  tensor.storage = static_cast<std::uint32_t>(item(arguments, 0, PickleKind::kStorage, kWhat).integer);
  tensor.offset = item(arguments, 1, PickleKind::kInt, kWhat).integer;
  tensor.shape = extents(arguments, 2, kWhat);
  tensor.strides = extents(arguments, 3, kWhat);
  if (tensor.offset < 0 || tensor.strides.size() != tensor.shape.size()) refuse("the pickle describes a tensor whose offset or strides are wrong");
  if (typed) {
    const KnownGlobal* type = find_global(item(arguments, 6, PickleKind::kGlobal, kWhat).text);
    if (type == nullptr || type->role != GlobalRole::kDtype) refuse("the pickle describes a tensor without its type");
    tensor.dtype = type->dtype;
  }
  pickle_.tensors.push_back(std::move(tensor));
  return make({.kind = PickleKind::kTensor, .integer = static_cast<std::int64_t>(pickle_.tensors.size() - 1)});
}

std::uint32_t PickleObjects::ordered_dict(const PickleValue& arguments) {
  std::vector<std::uint32_t> items;
  if (!arguments.items.empty()) {  // Python 2: a list of [key, value]
    const PickleValue& pairs = item(arguments, 0, PickleKind::kList, "an ordered dict");
    count_items(2 * pairs.items.size());
    for (const std::uint32_t index : pairs.items) {
      const PickleValue& pair = pickle_.at(index);
      const bool is_pair = (pair.kind == PickleKind::kList || pair.kind == PickleKind::kTuple) && pair.items.size() == 2;
      if (!is_pair) refuse("the pickle describes an ordered dict wrongly");
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
  }
  return make({.kind = PickleKind::kDict, .items = std::move(items)});
}

std::uint32_t PickleObjects::numpy_type(const PickleValue& arguments) {
  const std::string_view type = item(arguments, 0, PickleKind::kText, "a NumPy type").text;
  if (!is_numpy_number_type(type)) refuse("holds a NumPy value of type ", printable(type), "; beside the tensors only numbers and texts are read");
  return make({.kind = PickleKind::kNumpyType, .text = type});
}

std::uint32_t PickleObjects::numpy_scalar(const PickleValue& arguments) {
  constexpr const char* kWhat = "a NumPy number";
  const std::string_view type = item(arguments, 0, PickleKind::kNumpyType, kWhat).text;
  const bool written_as_text = arguments.items.size() > 1 && pickle_.at(arguments.items[1]).kind == PickleKind::kEncoded;
  const std::string_view given = item(arguments, 1, written_as_text ? PickleKind::kEncoded : PickleKind::kText, kWhat).text;
  const auto bytes = written_as_text ? latin1_bytes(given, sizeof(std::uint64_t)) : std::string(given.substr(0, sizeof(std::uint64_t) + 1));
  const auto number = bytes ? read_numpy_number(type, *bytes) : std::nullopt;
  if (!number) refuse("the pickle describes ", kWhat, " of type ", printable(type), " wrongly");
  return make(*number);
}

std::uint32_t PickleObjects::encoded(const PickleValue& arguments) {
  constexpr const char* kWhat = "bytes";
  if (item(arguments, 1, PickleKind::kText, kWhat).text != "latin1") refuse("the pickle describes ", kWhat, " wrongly: only latin1 is used for them");
  return make({.kind = PickleKind::kEncoded, .text = item(arguments, 0, PickleKind::kText, kWhat).text});
}

void PickleObjects::set_state(std::uint32_t object, std::uint32_t state, std::size_t place) const {
  const PickleKind kind = pickle_.at(object).kind;
  if (kind == PickleKind::kDict) return;
  if (kind != PickleKind::kNumpyType) refuse("refuses to set the attributes of an object at byte ", place, " of the pickle (a checkpoint holds only tensors)");
  const PickleValue& parts = pickle_.at(state);
  const std::string_view order = item(parts, 1, PickleKind::kText, "a NumPy type").text;
  if (order != "<" && order != "|") refuse("holds NumPy numbers of byte order ", printable(order), "; only little-endian files are read");
}

std::uint32_t PickleObjects::reduce(std::uint32_t function, std::uint32_t arguments) {
  const PickleValue& callee = pickle_.at(function);
  // Whatever is not a global of the list was never put on the stack as one.
  if (callee.kind != PickleKind::kGlobal) refuse("the pickle calls what is no function");
  const PickleValue& given = pickle_.at(arguments);
  if (given.kind != PickleKind::kTuple) refuse("the pickle calls ", callee.text, " without a tuple of arguments");
  switch (find_global(callee.text)->role) {
    case GlobalRole::kOrderedDict: return ordered_dict(given);
    case GlobalRole::kRebuildTensor: return tensor(given, false);
    case GlobalRole::kRebuildTyped: return tensor(given, true);
    case GlobalRole::kRebuildParameter:
      item(given, 0, PickleKind::kTensor, "a parameter");
      return given.items[0];
    case GlobalRole::kSize:
      item(given, 0, PickleKind::kTuple, "a size");
      return given.items[0];
    case GlobalRole::kNumpyScalar: return numpy_scalar(given);
    case GlobalRole::kNumpyType: return numpy_type(given);
    case GlobalRole::kEncode: return encoded(given);
    case GlobalRole::kDevice: return make({.kind = PickleKind::kText, .text = "device"});
    case GlobalRole::kStorageType:
    case GlobalRole::kDtype: break;
  }
  refuse("refuses to run ", callee.text, " (a type, which a checkpoint only names)");
}

std::uint32_t PickleObjects::storage(std::uint32_t id) {
  constexpr const char* kWhat = "a storage";
  const PickleValue& tuple = pickle_.at(id);
  if (tuple.kind != PickleKind::kTuple || tuple.items.size() < 5 || tuple.items.size() > 6) refuse("the pickle describes a storage wrongly");
  if (item(tuple, 0, PickleKind::kText, kWhat).text != "storage") refuse("the pickle has a persistent id that is no storage");
  const KnownGlobal* type = find_global(item(tuple, 1, PickleKind::kGlobal, kWhat).text);
  if (type == nullptr || type->role != GlobalRole::kStorageType) refuse("the pickle describes a storage without its type");
  const std::int64_t elements = item(tuple, 4, PickleKind::kInt, kWhat).integer;
  if (elements < 0) refuse("the pickle describes a storage of ", elements, " elements");
  PickleStorage storage{.key = item(tuple, 2, PickleKind::kText, kWhat).text,
                        .type = type->name,
                        .dtype = type->dtype,
                        .element_size = type->element_size,
                        .elements = static_cast<std::uint64_t>(elements)};
  if (tuple.items.size() == 6 && pickle_.at(tuple.items[5]).kind != PickleKind::kNone) {
    const PickleValue& view = item(tuple, 5, PickleKind::kTuple, kWhat);  // (key, offset, elements)
    const std::int64_t offset = item(view, 1, PickleKind::kInt, kWhat).integer;
    if (offset < 0) refuse("the pickle describes a view of a storage that begins at ", offset);
    storage.view_offset = static_cast<std::uint64_t>(offset);
  }
  if (pickle_.storages.size() >= limits_.tensors) refuse("the pickle describes more than ", limits_.tensors, " storages");
  pickle_.storages.push_back(storage);
  return make({.kind = PickleKind::kStorage, .integer = static_cast<std::int64_t>(pickle_.storages.size() - 1)});
}

}  // namespace sepia::detail
