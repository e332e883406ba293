#include "engine/io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/base/error.h"

namespace sepia::detail {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDimensions = 32;
constexpr auto kMaxInt64 = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

struct NamedType {
  const char* name;
  DType dtype;
};
constexpr std::array<NamedType, 7> kTypes{{{"F64", DType::kF64},
                                           {"F32", DType::kF32},
                                           {"F16", DType::kF16},
                                           {"BF16", DType::kBF16},
                                           {"I64", DType::kI64},
                                           {"I32", DType::kI32},
                                           {"U8", DType::kU8}}};

/// Takes the parser's events and accepts only the one shape that a header may have. nlohmann's document type is not used: it
/// keeps the last of two equal keys and recurses without bound. Every refusal returns false with a reason, which ends the parse.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  SafetensorsHeader header;
  std::string why;

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) return go(Place::kTop);
    if (place_ == Place::kEntry) {
      if (key_ == "__metadata__") return go(Place::kMetadata);
      entry_ = {};
      entry_.name = key_;
      has_dtype_ = has_shape_ = has_offsets_ = false;
      return go(Place::kTensor);
    }
    return refuse("an object stands where none belongs");
  }

  bool key(std::string& text) override {
    if (place_ == Place::kTop) {
      if (!names_.insert(text).second) return refuse(printable(text) + " stands twice");
      if (text != "__metadata__") {
        if (const char* fault = fault_of_tensor_name(text)) return refuse("tensor name " + printable(text) + " " + fault);
      }
      key_ = text;
      return go(Place::kEntry);
    }
    if (place_ == Place::kMetadata) {
      if (header.metadata.contains(text)) return refuse("metadata key " + printable(text) + " stands twice");
      metadata_key_ = text;
      return go(Place::kMetadataValue);
    }
    return tensor_field(text);
  }

  bool string(std::string& text) override {
    if (place_ == Place::kMetadataValue) {
      header.metadata.emplace(metadata_key_, std::move(text));
      return go(Place::kMetadata);
    }
    if (place_ != Place::kDtype) return refuse("a string stands where none belongs");
    const auto dtype = dtype_from_safetensors(text);
    if (!dtype)
      return refuse("tensor " + printable(key_) + " has type " + printable(text) + "; known are F64, F32, F16, BF16, I64, I32, U8");
    entry_.dtype = *dtype;
    return go(Place::kTensor);
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kShape) return go(Place::kShapeItems);
    if (place_ == Place::kOffsets) return go(Place::kOffsetItems);
    return refuse("a list stands where none belongs");
  }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ != Place::kShapeItems && place_ != Place::kOffsetItems) return refuse("a number stands where none belongs");
    if (value > kMaxInt64) return refuse("number " + std::to_string(value) + " is too large");
    if (place_ == Place::kShapeItems) {
      if (entry_.shape.size() == kMaxDimensions) return refuse("shape has more than 32 dimensions");
      entry_.shape.push_back(static_cast<std::int64_t>(value));
    } else {
      if (offset_count_ == 2) return refuse("data_offsets has more than two numbers");
      offsets_[offset_count_++] = value;
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsetItems) {
      if (offset_count_ != 2) return refuse("data_offsets has fewer than two numbers");
      if (offsets_[0] > offsets_[1]) {
        return refuse(str("data_offsets [", offsets_[0], ", ", offsets_[1], "] end before they begin"));
      }
    }
    return go(Place::kTensor);
  }

  bool end_object() override {
    if (place_ == Place::kTop) return go(Place::kEnd);
    if (place_ == Place::kMetadata) return go(Place::kTop);
    return finish_tensor() && go(Place::kTop);
  }

  bool null() override { return refuse("null stands where a value belongs"); }
  bool boolean(bool) override { return refuse("true or false stands where none belongs"); }
  bool number_integer(std::int64_t value) override { return refuse("number " + std::to_string(value) + " is negative"); }
  bool number_float(double, const std::string& text) override { return refuse("number " + printable(text) + " is not a 64-bit integer"); }
  bool binary(Json::binary_t&) override { return refuse("binary data stand where none belong"); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    place_ = Place::kStart;
    return refuse("not valid JSON at byte " + std::to_string(position));
  }

 private:
  enum class Place { kStart, kTop, kEntry, kMetadata, kMetadataValue, kTensor, kDtype, kShape, kShapeItems, kOffsets, kOffsetItems, kEnd };

  bool go(Place next) {
    place_ = next;
    return true;
  }

  bool refuse(std::string reason) {
    const bool in_tensor = place_ >= Place::kTensor && place_ <= Place::kOffsetItems && !reason.starts_with("tensor ");
    why = in_tensor ? "tensor " + printable(key_) + ": " + reason : std::move(reason);
    return false;
  }

  bool tensor_field(const std::string& field) {
    bool* seen = field == "dtype" ? &has_dtype_ : field == "shape" ? &has_shape_ : field == "data_offsets" ? &has_offsets_ : nullptr;
    if (seen == nullptr) return refuse("unknown field " + printable(field));
    if (*seen) return refuse("field " + printable(field) + " stands twice");
    *seen = true;
    offset_count_ = 0;
    return go(field == "dtype" ? Place::kDtype : field == "shape" ? Place::kShape : Place::kOffsets);
  }

  bool finish_tensor() {
    if (!has_dtype_ || !has_shape_ || !has_offsets_) return refuse("dtype, shape and data_offsets are needed");
    const auto expected = tensor_bytes(entry_.shape, entry_.dtype);
    const std::uint64_t given = offsets_[1] - offsets_[0];
    const std::string what = str(safetensors_dtype_name(entry_.dtype), " ", shape_text(entry_.shape));
    if (!expected) return refuse(what + " is larger than a file can be");
    if (*expected != given) return refuse(str(what, " needs ", *expected, " bytes, data_offsets give ", given));
    entry_.offset = offsets_[0];
    entry_.bytes = given;
    header.entries.push_back(std::move(entry_));
    return true;
  }

  Place place_ = Place::kStart;
  std::set<std::string> names_;
  std::string key_, metadata_key_;
  TensorEntry entry_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  std::array<std::uint64_t, 2> offsets_{};
  std::size_t offset_count_ = 0;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::string_view source) {
  const auto refuse = [&](const std::string& why) { fail(ErrorKind::kData, source, ": safetensors header: ", why); };
  if (json.empty() || json.front() != '{') refuse("does not begin with '{'; this is not a safetensors file");
  // The parser takes a zero byte for the end of its input, and whatever follows would go unseen.
  if (const auto zero = json.find('\0'); zero != std::string_view::npos) refuse(str("zero byte at ", zero));
  HeaderReader reader;
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) refuse(reader.why);
  return std::move(reader.header);
}

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  for (const auto& type : kTypes) {
    if (name == type.name) return type.dtype;
  }
  return std::nullopt;
}

std::string printable(std::string_view name) {
  constexpr std::size_t kMaxShown = 96;
  constexpr char kHex[] = "0123456789abcdef";
  std::string text = "'";
  for (const char c : name.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return text + (name.size() > kMaxShown ? "...'" : "'");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) text += (text.size() > 1 ? "," : "") + std::to_string(extent);
  return text + "]";
}

const char* fault_of_tensor_name(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name == "__metadata__") return "is reserved";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return std::any_of(name.begin(), name.end(), is_control) ? "has control characters" : nullptr;
}

std::optional<std::uint64_t> tensor_bytes(const std::vector<std::int64_t>& shape, DType dtype) {
  std::uint64_t bytes = dtype_size(dtype);
  for (const std::int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    const auto factor = static_cast<std::uint64_t>(extent);
    if (factor != 0 && bytes > kMaxInt64 / factor) return std::nullopt;
    bytes *= factor;
  }
  return bytes;
}

}  // namespace sepia::detail

namespace sepia {

const char* safetensors_dtype_name(DType dtype) {
  for (const auto& type : detail::kTypes) {
    if (type.dtype == dtype) return type.name;
  }
  return "?";
}

}  // namespace sepia
