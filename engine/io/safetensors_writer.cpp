#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_header.h"

namespace sepia {
namespace {

constexpr std::size_t kAlignment = 8;

/// A JSON string literal. kUsage when the text is not UTF-8: the format has no other.
std::string json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::kUsage, "[safetensors] ", detail::printable(text), " is not valid UTF-8");
  }
}

}  // namespace

void SafetensorsWriter::add(std::string name, DType dtype, std::vector<std::int64_t> shape, std::span<const std::byte> data) {
  const char* fault = detail::fault_of_tensor_name(name);
  SEPIA_CHECK(fault == nullptr, "[safetensors] tensor name ", detail::printable(name), " ", fault);
  const auto expected = detail::tensor_bytes(shape, dtype);
  SEPIA_CHECK(expected && *expected == data.size(), "[safetensors] tensor '", name, "' is ", safetensors_dtype_name(dtype), " ",
              detail::shape_text(shape), ", which is not ", data.size(), " bytes");
  SEPIA_CHECK(index_.emplace(name, tensors_.size()).second, "[safetensors] tensor '", name, "' is added twice");
  json_string(name);  // refuses what could not be written later
  tensors_.push_back({{std::move(name), dtype, std::move(shape), 0, data.size()}, data});
}

std::vector<const SafetensorsWriter::Item*> SafetensorsWriter::in_file_order() const {
  std::vector<const Item*> items;
  for (const auto& item : tensors_) items.push_back(&item);
  std::stable_sort(items.begin(), items.end(),
                   [](const Item* a, const Item* b) { return dtype_size(a->entry.dtype) > dtype_size(b->entry.dtype); });
  return items;
}

std::string SafetensorsWriter::header(const std::vector<const Item*>& items) const {
  std::string json;
  const auto separate = [&] { json += json.empty() ? '{' : ','; };
  if (!metadata.empty()) {
    separate();
    json += "\"__metadata__\":{";
    const char* comma = "";
    for (const auto& [key, value] : metadata) {
      json += comma + json_string(key) + ":" + json_string(value);
      comma = ",";
    }
    json += '}';
  }
  std::uint64_t offset = 0;
  for (const Item* item : items) {
    const TensorEntry& entry = item->entry;
    separate();
    json += str(json_string(entry.name), R"(:{"dtype":")", safetensors_dtype_name(entry.dtype), R"(","shape":)",
                detail::shape_text(entry.shape), R"(,"data_offsets":[)", offset, ",", offset + entry.bytes, "]}");
    offset += entry.bytes;
  }
  json += json.empty() ? "{}" : "}";
  json.append((kAlignment - json.size() % kAlignment) % kAlignment, ' ');
  SEPIA_CHECK(json.size() <= SafetensorsFile::kMaxHeaderBytes, "[safetensors] header of ", json.size(),
              " bytes is larger than the format allows");

  std::string text(sizeof(std::uint64_t), '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(json.size() >> (8 * i) & 0xff);
  return text + json;
}

std::vector<std::byte> SafetensorsWriter::serialise() const {
  const auto items = in_file_order();
  const std::string head = header(items);
  const auto head_bytes = std::as_bytes(std::span(head));
  std::vector<std::byte> bytes(head_bytes.begin(), head_bytes.end());
  for (const Item* item : items) bytes.insert(bytes.end(), item->data.begin(), item->data.end());
  return bytes;
}

void SafetensorsWriter::write(const std::filesystem::path& path) const {
  const auto items = in_file_order();
  const std::string head = header(items);
  std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span(head))};
  for (const Item* item : items) parts.push_back(item->data);
  write_file_atomic(path, parts);
}

}  // namespace sepia
