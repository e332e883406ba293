// Builds pickles, ZIP archives and legacy streams byte by byte, right ones and wrong ones.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sepia::test {

/// So many bytes of a number, little endian.
inline std::string le(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

/// Opcodes of a pickle.
namespace pickle {

inline std::string text(const std::string& value) { return "X" + le(value.size(), 4) + value; }
inline std::string integer(std::int64_t value) { return "\x8a\x08" + le(static_cast<std::uint64_t>(value), 8); }
inline std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }
inline std::string dict(const std::string& items) { return "}(" + items + "u"; }
inline std::string whole(const std::string& value) { return "\x80\x02" + value + "."; }

/// ('storage', torch.FloatStorage, key, 'cpu', elements)
inline std::string storage(const std::string& key, std::int64_t elements, const std::string& type = "FloatStorage") {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + integer(elements)) + "Q";
}

inline std::string extents(const std::vector<std::int64_t>& values) {
  std::string items;
  for (const std::int64_t value : values) items += integer(value);
  return tuple(items);
}

/// _rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())
inline std::string tensor(const std::string& storage, std::int64_t offset, const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage + integer(offset) + extents(shape) + extents(strides) + "\x89" + global("collections", "OrderedDict") + ")R") + "R";
}

/// {"a": one float tensor of four elements}
inline std::string one_tensor() { return dict(text("a") + tensor(storage("0", 4), 0, {4}, {1})); }

}  // namespace pickle

/// One entry of an archive, and what its headers say where that is not the truth.
struct ZipPart {
  std::string name, data;
  int method = 0;
  int flags = 0;
  std::int64_t said_bytes = -1;
  std::int64_t said_offset = -1;
  bool wrong_crc = false;
  std::string local_name{};
};

/// A ZIP archive; `directory_count` other than -1 is written instead of the number of entries.
inline std::string zip(const std::vector<ZipPart>& parts, int directory_count = -1) {
  std::string file, directory;
  for (const ZipPart& part : parts) {
    const std::uint64_t offset = part.said_offset >= 0 ? static_cast<std::uint64_t>(part.said_offset) : file.size();
    const std::uint64_t bytes = part.said_bytes >= 0 ? static_cast<std::uint64_t>(part.said_bytes) : part.data.size();
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(part.data.data()), part.data.size()) ^ (part.wrong_crc ? 1U : 0U);
    const std::string& local = part.local_name.empty() ? part.name : part.local_name;
    const std::string common = le(20, 2) + le(static_cast<std::uint64_t>(part.flags), 2) + le(static_cast<std::uint64_t>(part.method), 2) + le(0, 4) + le(crc, 4) +
                               le(bytes, 4) + le(bytes, 4);
    file += "PK\x03\x04" + common + le(local.size(), 2) + le(0, 2) + local + part.data;
    directory += "PK\x01\x02" + le(20, 2) + common + le(part.name.size(), 2) + le(0, 2) + le(0, 2) + le(0, 2) + le(0, 2) + le(0, 4) + le(offset, 4) + part.name;
  }
  const std::uint64_t count = directory_count >= 0 ? static_cast<std::uint64_t>(directory_count) : parts.size();
  return file + directory + "PK\x05\x06" + le(0, 4) + le(count, 2) + le(count, 2) + le(directory.size(), 4) + le(file.size(), 4) + le(0, 2);
}

/// A checkpoint of this pickle (already whole) and storages.
inline std::vector<ZipPart> checkpoint_parts(const std::string& pickle_bytes, const std::vector<std::pair<std::string, std::string>>& storages) {
  std::vector<ZipPart> parts{{"m/data.pkl", pickle_bytes}, {"m/byteorder", "little"}};
  for (const auto& [key, data] : storages) parts.push_back({"m/data/" + key, data});
  return parts;
}

/// The legacy stream of this pickle (already whole), the storages' keys, and what follows.
inline std::string legacy(const std::string& pickle_bytes, const std::vector<std::string>& keys, const std::string& rest, int protocol = 1001, bool little = true) {
  namespace p = pickle;
  std::string list = "](";
  for (const std::string& key : keys) list += p::text(key);
  const std::string magic = std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);
  return magic + p::whole(p::integer(protocol)) + p::whole(p::dict(p::text("little_endian") + (little ? "\x88" : "\x89"))) + pickle_bytes + p::whole(list + "e") + rest;
}

}  // namespace sepia::test
