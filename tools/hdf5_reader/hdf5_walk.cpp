#include "tools/hdf5_reader/hdf5_walk.h"

#include <hdf5.h>

#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace sepia::hdf5 {
namespace {

constexpr int kMaxDepth = 24, kMaxDimensions = 8;
constexpr std::size_t kMaxObjects = 20'000, kMaxName = 512, kMaxValue = 512;

/// An identifier of the library with the function that closes it.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  hid_t get() const { return id_; }
  bool valid() const { return id_ >= 0; }

 private:
  hid_t id_;
  Close close_;
};

[[noreturn]] void refuse(const std::string& reason) { throw Refusal(reason); }

/// The code on the pipe of a stored type, or nothing when it is no plain little-endian number.
std::optional<std::size_t> type_code(hid_t type) {
  const hid_t known[] = {H5T_IEEE_F32LE, H5T_IEEE_F64LE, -1, H5T_STD_I32LE, H5T_STD_I64LE, H5T_STD_U8LE};
  for (std::size_t i = 0; i < detail::kHdf5Types.size(); ++i) {
    if (known[i] >= 0 && H5Tequal(type, known[i]) > 0) return i;
  }
  const bool half = H5Tget_class(type) == H5T_FLOAT && H5Tget_size(type) == 2 && H5Tget_order(type) == H5T_ORDER_LE && H5Tget_ebias(type) == 15;
  return half ? std::optional<std::size_t>(2) : std::nullopt;
}

class Walk {
 public:
  explicit Walk(Output& out) : out_(out) {}

  void group(hid_t id, const std::string& path, int depth) {
    if (depth > kMaxDepth) refuse("its groups are nested more than " + std::to_string(kMaxDepth) + " deep");
    for (const char* name : {"name", "keras_version", "backend"}) attribute(id, path, name);
    H5G_info_t info;
    if (H5Gget_info(id, &info) < 0) refuse("a group is damaged: " + shown(path));
    for (hsize_t i = 0; i < info.nlinks; ++i) member(id, path, i, depth);
  }

 private:
  static std::string shown(const std::string& path) { return path.empty() ? "/" : path; }

  void member(hid_t group_id, const std::string& path, hsize_t index, int depth) {
    if (++objects_ > kMaxObjects) refuse("it has more than " + std::to_string(kMaxObjects) + " objects");
    std::string name(kMaxName + 1, '\0');
    const ssize_t length = H5Lget_name_by_idx(group_id, ".", H5_INDEX_NAME, H5_ITER_INC, index, name.data(), name.size(), H5P_DEFAULT);
    if (length <= 0 || length > static_cast<ssize_t>(kMaxName)) refuse("a group has a damaged member: " + shown(path));
    name.resize(static_cast<std::size_t>(length));
    const std::string full = path.empty() ? name : path + "/" + name;
    if (full.size() > kMaxName) refuse("a name is longer than " + std::to_string(kMaxName) + " bytes");
    H5L_info_t link;
    if (H5Lget_info(group_id, name.c_str(), &link, H5P_DEFAULT) < 0) refuse("a link is damaged: " + full);
    if (link.type != H5L_TYPE_HARD) refuse(full + " is a link to elsewhere, which is not followed");
    const Handle object(H5Oopen(group_id, name.c_str(), H5P_DEFAULT), H5Oclose);
    if (!object.valid()) refuse("an object is damaged: " + full);
    switch (H5Iget_type(object.get())) {
      case H5I_GROUP: return group(object.get(), full, depth + 1);
      case H5I_DATASET: return dataset(object.get(), full);
      default: out_.skipped(full);
    }
  }

  /// A short text attribute; any other is left out.
  void attribute(hid_t object, const std::string& path, const char* name) {
    if (H5Aexists(object, name) <= 0) return;
    const Handle id(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
    const Handle type(id.valid() ? H5Aget_type(id.get()) : -1, H5Tclose), space(id.valid() ? H5Aget_space(id.get()) : -1, H5Sclose);
    if (!type.valid() || !space.valid() || H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) return;
    std::string value;
    if (H5Tis_variable_str(type.get()) > 0) {
      char* text = nullptr;
      if (H5Aread(id.get(), type.get(), &text) < 0 || text == nullptr) return;
      value.assign(text, ::strnlen(text, kMaxValue));
      H5free_memory(text);
    } else {
      const std::size_t size = H5Tget_size(type.get());
      if (size == 0 || size > kMaxValue) return;
      value.resize(size);
      if (H5Aread(id.get(), type.get(), value.data()) < 0) return;
      value.resize(::strnlen(value.data(), size));
    }
    out_.attribute(path + "@" + name, value);
  }

  void dataset(hid_t id, const std::string& name) {
    const Handle type(H5Dget_type(id), H5Tclose), space(H5Dget_space(id), H5Sclose), plist(H5Dget_create_plist(id), H5Pclose);
    if (!type.valid() || !space.valid() || !plist.valid()) refuse("a data set is damaged: " + name);
    const auto code = type_code(type.get());
    const H5S_class_t kind = H5Sget_simple_extent_type(space.get());
    if (!code || (kind != H5S_SIMPLE && kind != H5S_SCALAR)) return out_.skipped(name);
    const int dimensions = H5Sget_simple_extent_ndims(space.get());
    if (dimensions < 0 || dimensions > kMaxDimensions) refuse(name + " has " + std::to_string(dimensions) + " dimensions");
    hsize_t extents[kMaxDimensions] = {};
    if (dimensions > 0 && H5Sget_simple_extent_dims(space.get(), extents, nullptr) < 0) refuse("a data set is damaged: " + name);
    const std::size_t element = dtype_bytes(*code);
    std::vector<std::int64_t> shape;
    hsize_t bytes = element;
    for (int i = 0; i < dimensions; ++i) {
      if (extents[i] != 0 && bytes > (hsize_t{1} << 40) / extents[i]) refuse(name + " is larger than a file can be");
      bytes *= extents[i];
      shape.push_back(static_cast<std::int64_t>(extents[i]));
    }
    const H5D_layout_t layout = H5Pget_layout(plist.get());
    if (H5Pget_nfilters(plist.get()) != 0) refuse(name + " is compressed, as Keras does not write it; compressed tensors are not unpacked here");
    if (layout == H5D_VIRTUAL || H5Pget_external_count(plist.get()) != 0) refuse(name + " has its data in another file, which is not opened");
    // Data that were never written are made up by the library when read: a small file would become a large tensor.
    if (H5Dget_storage_size(id) < bytes) refuse(name + " of " + std::to_string(bytes) + " bytes is not all in the file");
    std::string data(static_cast<std::size_t>(bytes), '\0');
    if (bytes > 0 && H5Dread(id, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()) < 0) refuse("truncated or damaged at " + name);
    out_.tensor(name, *code, shape, data);
  }

  static std::size_t dtype_bytes(std::size_t code) {
    constexpr std::size_t kBytes[] = {4, 8, 2, 4, 8, 1};
    static_assert(std::size(kBytes) == std::size(detail::kHdf5Types));
    return kBytes[code];
  }

  Output& out_;
  std::size_t objects_ = 0;
};

}  // namespace

void walk_file(const char* path, Output& out) {
  const Handle file(H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file.valid()) refuse("damaged or truncated: the HDF5 superblock leads nowhere");
  const Handle root(H5Gopen2(file.get(), "/", H5P_DEFAULT), H5Gclose);
  if (!root.valid()) refuse("the HDF5 file has no root group");
  Walk(out).group(root.get(), "", 0);
  out.end();
}

}  // namespace sepia::hdf5
