#include "engine/io/weights.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "engine/base/error.h"
#include "engine/io/element_convert.h"
#include "engine/io/file_layout.h"
#include "engine/io/safetensors_header.h"
#include "engine/nn/flat_parameters.h"
#include "engine/nn/layers.h"

namespace sepia {
namespace {

constexpr const char* kTracked = ".num_batches_tracked";

std::vector<std::byte> host_bytes(const Tensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes());
  tensor.copy_to_host(bytes);
  return bytes;
}

FileTensor file_tensor(std::string name, const nn::Parameter& parameter, const Tensor& values) {
  FileTensor result{std::move(name), values.dtype(), file_shape(parameter), std::vector<std::byte>(values.bytes())};
  to_file_layout(parameter, dtype_size(values.dtype()), host_bytes(values), result.data);
  return result;
}

std::vector<std::int64_t> plain_shape(const Shape& shape) {
  return {shape.extents().begin(), shape.extents().end()};
}

/// Names with their batch norms: each keeps a count of the batches it has seen.
std::vector<std::pair<std::string, nn::BatchNorm2d*>> tracked_batches(nn::Module& module) {
  std::vector<std::pair<std::string, nn::BatchNorm2d*>> result;
  for (const auto& [name, part] : module.named_modules()) {
    if (auto* norm = dynamic_cast<nn::BatchNorm2d*>(part)) result.emplace_back(name.empty() ? kTracked + 1 : name + kTracked, norm);
  }
  return result;
}

bool same_without_ones(std::vector<std::int64_t> a, std::vector<std::int64_t> b) {
  std::erase(a, 1);
  std::erase(b, 1);
  return a == b;
}

/// The first few of many names: "conv1.weight, conv1.bias, ... (12 in all)".
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > kShown ? str(text, ", ... (", names.size(), " in all)") : text;
}

/// The elements of one tensor of a file in the type `to`: the file's own bytes, which must live on, or `converted`. None when the file's
/// are of no floating type.
std::optional<std::span<const std::byte>> elements_of(const SafetensorsFile& file, const TensorEntry& entry, DType to,
                                                      std::vector<std::byte>& converted) {
  if (entry.dtype == to) return file.data(entry);
  auto elements = detail::convert_elements(file.data(entry), entry.dtype, to);
  if (!elements) return std::nullopt;
  converted = std::move(*elements);
  return converted;
}

/// Where a tensor of a file goes.
struct Target {
  std::string name;
  const nn::Parameter* parameter;  ///< null for a buffer, which has no layout of its own
  Tensor tensor;
};

/// The part of a flat arena that belongs to a parameter; undefined where the arena begins behind it.
Tensor part_of(nn::Module& module, const Tensor& arena, const nn::Parameter& parameter) {
  const std::int64_t begin = module.flat().size() - arena.numel();
  return parameter.offset < begin ? Tensor() : arena.slice(parameter.offset - begin, parameter.shape);
}

std::vector<Target> targets_of(nn::Module& module) {
  std::vector<Target> targets;
  for (const auto& [name, parameter] : module.named_parameters()) targets.push_back({name, parameter, parameter->master});
  for (const auto& [name, buffer] : module.named_buffers()) targets.push_back({name, nullptr, buffer->value});
  return targets;
}

/// One tensor of a file and where it goes.
struct Change {
  Target target;
  const TensorEntry* entry;
};

/// Throws kData unless the tensor of the file fits its target.
void check_fits(const SafetensorsFile& file, const Change& change, bool check_finite) {
  const auto& [target, entry] = change;
  const DType dtype = target.tensor.dtype();
  const auto wanted = target.parameter ? file_shape(*target.parameter) : plain_shape(target.tensor.shape());
  const std::string where = file.source() + ": " + detail::printable(entry->name);
  SEPIA_CHECK_KIND(same_without_ones(entry->shape, wanted), ErrorKind::kData, where, " is ", detail::shape_text(entry->shape), ", expected ",
                   detail::shape_text(wanted), "; these weights are of another network or head");
  std::vector<std::byte> converted;
  const auto elements = elements_of(file, *entry, dtype, converted);
  SEPIA_CHECK_KIND(elements, ErrorKind::kData, where, " has type ", safetensors_dtype_name(entry->dtype),
                   "; weights are F64, F32, F16 or BF16");
  if (!check_finite) return;
  const auto bad = detail::first_nonfinite(*elements, dtype);
  SEPIA_CHECK_KIND(!bad, ErrorKind::kData, where, " has a NaN or an infinity at element ", bad.value_or(0), "; the weights are damaged");
}

/// Writes what check_fits() has passed, tensor by tensor: beside the file and the model there is memory for the largest one.
void write_changes(const SafetensorsFile& file, const std::vector<Change>& changes) {
  std::vector<std::byte> converted, memory;
  for (const auto& [target, entry] : changes) {
    const DType dtype = target.tensor.dtype();
    const std::span<const std::byte> elements = elements_of(file, *entry, dtype, converted).value();
    if (target.parameter == nullptr) {
      target.tensor.copy_from_host(elements);
      continue;
    }
    memory.resize(elements.size());
    from_file_layout(*target.parameter, dtype_size(dtype), elements, memory);
    target.tensor.copy_from_host(memory);
  }
}

std::int64_t tracked_count(const SafetensorsFile& file, const TensorEntry& entry) {
  SEPIA_CHECK_KIND(entry.dtype == DType::kI64 && entry.bytes == sizeof(std::int64_t), ErrorKind::kData, file.source(), ": ",
                   detail::printable(entry.name), " is ", safetensors_dtype_name(entry.dtype), " ", detail::shape_text(entry.shape),
                   ", expected one I64");
  std::int64_t count = 0;
  std::memcpy(&count, file.data(entry).data(), sizeof(count));
  return count;
}

}  // namespace

std::vector<FileTensor> state_dict(nn::Module& module, const std::string& prefix) {
  module.flat().require_values();
  std::vector<FileTensor> tensors;
  for (const auto& [name, parameter] : module.named_parameters()) {
    tensors.push_back(file_tensor(prefix + name, *parameter, parameter->master));
  }
  for (const auto& [name, buffer] : module.named_buffers()) {
    tensors.push_back({prefix + name, buffer->value.dtype(), plain_shape(buffer->shape), host_bytes(buffer->value)});
  }
  for (const auto& [name, norm] : tracked_batches(module)) {
    const std::int64_t count = norm->batches_tracked();
    const auto bytes = std::as_bytes(std::span(&count, 1));
    tensors.push_back({prefix + name, DType::kI64, {}, {bytes.begin(), bytes.end()}});
  }
  return tensors;
}

std::vector<FileTensor> arena_tensors(nn::Module& module, const Tensor& arena, const std::string& prefix) {
  std::vector<FileTensor> tensors;
  for (const auto& [name, parameter] : module.named_parameters()) {
    const Tensor part = part_of(module, arena, *parameter);
    if (part.defined()) tensors.push_back(file_tensor(prefix + name, *parameter, part));
  }
  return tensors;
}

void add_tensors(SafetensorsWriter& writer, const std::vector<FileTensor>& tensors) {
  for (const FileTensor& tensor : tensors) writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.data);
}

void save_weights(const std::filesystem::path& path, nn::Module& module, const TensorFileMetadata& metadata) {
  const auto tensors = state_dict(module);
  SafetensorsWriter writer;
  writer.metadata = metadata;
  add_tensors(writer, tensors);
  writer.write(path);
}

std::string LoadReport::summary() const {
  const auto part = [](const std::vector<std::string>& names, const char* what) {
    return str(", ", names.size(), " ", what, names.empty() ? "" : " (" + some_of(names) + ")");
  };
  return str(loaded, " tensors loaded", part(missing, "missing"), part(unexpected, "unexpected"));
}

LoadReport load_weights(const SafetensorsFile& file, nn::Module& module, const LoadParams& params) {
  const auto in_file = [&](const std::string& name) {
    const std::string source = params.source_name ? params.source_name(name) : name;
    return source.empty() ? source : params.prefix + source;
  };
  std::vector<Target> targets = targets_of(module);
  const std::size_t all = targets.size();
  std::erase_if(targets, [&](const Target& target) { return in_file(target.name).empty(); });
  const auto norms = tracked_batches(module);
  LoadReport report;
  std::set<std::string, std::less<>> known;
  for (const Target& target : targets) {
    const std::string name = in_file(target.name);
    known.insert(name);
    if (file.find(name) == nullptr) report.missing.push_back(name);
  }
  for (const auto& [name, norm] : norms) known.insert(params.prefix + name);
  const auto is_ignored = [&](const std::string& name) {
    return !name.starts_with(params.prefix) || std::any_of(params.ignored_prefixes.begin(), params.ignored_prefixes.end(),
                                                           [&](const std::string& prefix) { return name.starts_with(prefix); });
  };
  for (const TensorEntry& entry : file.entries()) {
    if (known.contains(entry.name)) {
      ++report.loaded;
    } else if (!is_ignored(entry.name)) {
      report.unexpected.push_back(detail::printable(entry.name));
    }
  }
  SEPIA_CHECK_KIND((report.missing.empty() || params.allow_missing) && (report.unexpected.empty() || params.allow_unexpected), ErrorKind::kData,
                   file.source(), ": does not hold the weights of this network: ", report.summary());

  // Nothing is written before everything has been found to fit.
  std::vector<Change> changes;
  std::vector<std::pair<nn::BatchNorm2d*, std::int64_t>> counts;
  for (const Target& target : targets) {
    const TensorEntry* entry = file.find(in_file(target.name));
    if (entry != nullptr) changes.push_back({target, entry});
  }
  for (const Change& change : changes) check_fits(file, change, params.check_finite);
  for (const auto& [name, norm] : norms) {
    const TensorEntry* entry = file.find(params.prefix + name);
    if (entry != nullptr) counts.emplace_back(norm, tracked_count(file, *entry));
  }
  write_changes(file, changes);
  module.flat().round_weights();
  if (changes.size() == all) module.flat().set_have_values();
  for (const auto& [norm, count] : counts) norm->set_batches_tracked(count);
  return report;
}

void load_arena(const SafetensorsFile& file, nn::Module& module, const Tensor& arena, const std::string& prefix) {
  std::vector<Change> changes;
  for (const auto& [name, parameter] : module.named_parameters()) {
    const Target target{name, parameter, part_of(module, arena, *parameter)};
    if (!target.tensor.defined()) continue;
    const TensorEntry* entry = file.find(prefix + name);
    SEPIA_CHECK_KIND(entry != nullptr, ErrorKind::kData, file.source(), ": ", prefix + name,
                     " is missing; this is no checkpoint of this network");
    SEPIA_CHECK_KIND(entry->dtype == arena.dtype(), ErrorKind::kData, file.source(), ": ", prefix + name, " is ",
                     safetensors_dtype_name(entry->dtype), ", expected ", safetensors_dtype_name(arena.dtype()));
    changes.push_back({target, entry});
    check_fits(file, changes.back(), true);
  }
  write_changes(file, changes);
}

}  // namespace sepia
