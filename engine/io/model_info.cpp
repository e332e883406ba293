#include "engine/io/model_info.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>

#include "engine/base/error.h"
#include "engine/io/safetensors_header.h"

namespace sepia {
namespace {

/// The shortest text that reads back to the same double.
std::string number_text(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return {buffer, result.ptr};
}

std::string list_text(const std::array<double, 3>& values) {
  return number_text(values[0]) + "," + number_text(values[1]) + "," + number_text(values[2]);
}

/// Reads keys and says what is wrong with them.
class Reader {
 public:
  Reader(const TensorFileMetadata& metadata, std::string_view source) : metadata_(metadata), source_(source) {}

  const std::string& text(const std::string& key) const {
    const auto found = metadata_.find(key);
    SEPIA_CHECK_KIND(found != metadata_.end(), ErrorKind::kData, source_, ": metadata ", key, " is missing beside sepia.model");
    return found->second;
  }

  std::string one_of(const std::string& key, std::initializer_list<std::string_view> allowed) const {
    const std::string& value = text(key);
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
    std::string list;
    for (const auto& choice : allowed) list += (list.empty() ? "" : " or ") + std::string(choice);
    refuse(key, list);
  }

  std::int64_t whole(const std::string& key, std::int64_t low, std::int64_t high) const {
    const std::string& value = text(key);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < low || number > high) {
      refuse(key, str("a whole number from ", low, " to ", high));
    }
    return number;
  }

  std::array<double, 3> three(const std::string& key) const {
    const std::string& value = text(key);
    std::array<double, 3> numbers{};
    const char *at = value.data(), *const end = at + value.size();
    for (std::size_t i = 0; i < 3; ++i) {
      const auto [next, error] = std::from_chars(at, end, numbers[i]);
      const bool more = i < 2;
      if (error != std::errc() || !std::isfinite(numbers[i]) || (more ? next == end || *next != ',' : next != end)) {
        refuse(key, "three numbers R,G,B");
      }
      at = next + (more ? 1 : 0);
    }
    return numbers;
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const {
    fail(ErrorKind::kData, source_, ": metadata ", key, " is ", detail::printable(text(key)), ", expected ", expected);
  }

 private:
  const TensorFileMetadata& metadata_;
  std::string_view source_;
};

}  // namespace

TensorFileMetadata to_metadata(const ModelInfo& info) {
  return {{"format", "pt"},
          {"sepia.model", info.model},
          {"sepia.mean", list_text(info.mean)},
          {"sepia.std", list_text(info.std)},
          {"sepia.input", info.input},
          {"sepia.image_size", std::to_string(info.image_size)},
          {"sepia.classes", std::to_string(info.classes)},
          {"sepia.numerics", info.numerics}};
}

std::optional<ModelInfo> model_info_from_metadata(const TensorFileMetadata& metadata, std::string_view source) {
  if (!metadata.contains("sepia.model")) return std::nullopt;
  const Reader reader(metadata, source);
  ModelInfo info;
  info.model = reader.text("sepia.model");
  info.mean = reader.three("sepia.mean");
  info.std = reader.three("sepia.std");
  if (std::any_of(info.std.begin(), info.std.end(), [](double value) { return value <= 0; }))
    reader.refuse("sepia.std", "numbers above zero");
  info.input = reader.one_of("sepia.input", {"rgb", "residual"});
  info.image_size = reader.whole("sepia.image_size", 1, 65536);
  info.classes = reader.whole("sepia.classes", 2, 1'000'000);
  info.numerics = reader.one_of("sepia.numerics", {"pytorch", "keras"});
  return info;
}

}  // namespace sepia
