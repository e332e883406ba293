#include "engine/io/hdf5_protocol.h"

#include <algorithm>
#include <set>
#include <string>

#include "engine/base/error.h"
#include "engine/io/safetensors_header.h"

namespace sepia::detail {
namespace {

class StreamReader {
 public:
  StreamReader(const PipeSource& pipe, std::string_view source, const Hdf5Limits& limits)
      : pipe_(pipe), source_(source), limits_(limits), bytes_left_(limits.tensor_bytes) {}

  Hdf5Contents run() {
    std::array<std::byte, kHdf5Magic.size()> magic{};
    fill(magic);
    const bool right = std::equal(magic.begin(), magic.end(), kHdf5Magic.begin(), [](std::byte a, char b) { return a == std::byte(b); });
    if (!right) broken("it did not begin as it must");
    while (record()) {
    }
    std::byte more{};
    if (pipe_({&more, 1}) != 0) broken("something followed its end");
    return std::move(contents_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void broken(const Parts&... parts) const {
    fail(ErrorKind::kData, source_, ": damaged: the process that parses HDF5 failed (", parts..., ")");
  }

  void fill(std::span<std::byte> part) {
    if (pipe_(part) != part.size()) broken("it ended early");
  }
  template <class T>
  T number() {
    std::array<std::byte, sizeof(T)> bytes{};
    fill(bytes);
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return static_cast<T>(value);
  }
  std::string text() {
    const std::size_t length = number<std::uint16_t>();
    if (length > limits_.text) broken("a text of ", length, " bytes");
    std::string value(length, '\0');
    fill(std::as_writable_bytes(std::span(value)));
    return value;
  }
  /// A text that people will see.
  std::string shown_text() {
    const std::string shown = printable(text());
    return shown.substr(1, shown.size() - 2);
  }

  void count_note() {
    if (++notes_ > limits_.notes) broken("more than ", limits_.notes, " attributes");
  }

  void tensor() {
    if (contents_.tensors.size() >= limits_.tensors) broken("more than ", limits_.tensors, " tensors");
    FileTensor tensor;
    tensor.name = text();
    if (const char* fault = fault_of_tensor_name(tensor.name)) broken("tensor name ", printable(tensor.name), " ", fault);
    if (!names_.insert(tensor.name).second) broken("tensor ", printable(tensor.name), " twice");
    const std::size_t type = number<std::uint8_t>(), dimensions = number<std::uint8_t>();
    if (type >= kHdf5Types.size()) broken("element type ", type);
    if (dimensions > limits_.dimensions) broken("a tensor of ", dimensions, " dimensions");
    tensor.dtype = kHdf5Types[type];
    for (std::size_t i = 0; i < dimensions; ++i) tensor.shape.push_back(number<std::int64_t>());
    const auto bytes = tensor_bytes(tensor.shape, tensor.dtype);
    if (!bytes || *bytes > bytes_left_) broken("tensors larger than the file, at ", printable(tensor.name), " ", shape_text(tensor.shape));
    bytes_left_ -= *bytes;
    tensor.data.resize(static_cast<std::size_t>(*bytes));
    fill(tensor.data);
    contents_.tensors.push_back(std::move(tensor));
  }

  /// One record; false after the last.
  bool record() {
    switch (number<char>()) {
      case 'T': tensor(); return true;
      case 'A': {
        count_note();
        std::string name = text();
        contents_.notes.emplace_back(std::move(name), shown_text());
        return true;
      }
      case 'S':
        count_note();
        contents_.skipped.push_back(shown_text());
        return true;
      case 'E': contents_.refusal = shown_text(); return false;
      case 'Z':
        if (number<std::uint32_t>() != contents_.tensors.size()) broken("it lost tensors");
        return false;
      default: broken("an unknown record");
    }
  }

  const PipeSource& pipe_;
  std::string_view source_;
  Hdf5Limits limits_;
  std::uint64_t bytes_left_;
  std::size_t notes_ = 0;
  std::set<std::string, std::less<>> names_;
  Hdf5Contents contents_;
};

}  // namespace

Hdf5Contents read_hdf5_stream(const PipeSource& pipe, std::string_view source, const Hdf5Limits& limits) { return StreamReader(pipe, source, limits).run(); }

}  // namespace sepia::detail
