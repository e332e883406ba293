#include "tools/convert/convert.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "engine/io/safetensors_header.h"
#include "engine/nn/module.h"
#include "models/model.h"
#include "tools/convert/keras_names.h"
#include "tools/convert/torch_names.h"

namespace sepia::convert {
namespace {

/// What an input's own metadata or the network's defaults say, changed by what was asked for.
ModelInfo info_of(const ConvertParams& params, const WeightFile& file) {
  ModelInfo info;
  if (const auto own = model_info_from_metadata(file.metadata, file.source)) {
    info = *own;
    SEPIA_CHECK_KIND(params.architecture.empty() || params.architecture == info.model, ErrorKind::kData, file.source, ": belongs to ", info.model,
                     ", not to --arch ", params.architecture);
  } else {
    SEPIA_CHECK(!params.architecture.empty(), "--arch is needed: ", file.source, " does not say which network it belongs to");
    const models::ModelSpec spec = models::default_spec(params.architecture);
    info = {.model = spec.name, .mean = spec.normalisation.mean, .std = spec.normalisation.std, .image_size = spec.image_size, .classes = spec.classes};
    if (file.format == WeightFile::Format::kHdf5) info.numerics = "keras";
  }
  if (params.image_size > 0) info.image_size = params.image_size;
  if (!params.numerics.empty()) info.numerics = params.numerics;
  SEPIA_CHECK(models::has_numerics(info.model, info.numerics), info.model, " cannot compute with ", info.numerics, " numerics");
  return info;
}

FileTensor* find(std::vector<FileTensor>& tensors, const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const FileTensor& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

NamedTensors named_tensors(const WeightFile& file, const std::string& architecture) {
  if (file.format != WeightFile::Format::kHdf5) return torch_names(file.tensors, architecture, file.source);
  SEPIA_CHECK_KIND(architecture == "xception", ErrorKind::kData, file.source, ": Keras weights are known for xception alone, not for ", architecture,
                   "; convert them as xception and give that file to train ", architecture, " --pretrained");
  return keras_xception(file);
}

/// Real before fake: swaps the two rows of the last layer when the file has them the other way round.
void order_labels(const ConvertParams& params, const HeadNames& head, std::vector<FileTensor>& tensors, const std::string& source) {
  if (params.label_order.empty() || params.label_order == "real,fake") return;
  SEPIA_CHECK(params.label_order == "fake,real", "--label-order is ", params.label_order, ", expected real,fake or fake,real");
  for (const char* part : {".weight", ".bias"}) {
    FileTensor* tensor = find(tensors, head.last + part);
    const bool two = tensor != nullptr && !tensor->shape.empty() && tensor->shape[0] == 2;
    SEPIA_CHECK_KIND(two, ErrorKind::kData, source, ": --label-order needs a head with two outputs; ", head.last, part, " is ",
                     tensor == nullptr ? std::string("missing") : detail::shape_text(tensor->shape));
    std::rotate(tensor->data.begin(), tensor->data.begin() + static_cast<std::ptrdiff_t>(tensor->data.size() / 2), tensor->data.end());
  }
}

/// The renamed tensors as a safetensors file in memory: the one strict loader that there is then checks them.
SafetensorsFile as_safetensors(const std::vector<FileTensor>& tensors, const std::string& source) {
  SafetensorsWriter writer;
  try {
    add_tensors(writer, tensors);
    return SafetensorsFile::parse(writer.serialise(), source);
  } catch (const Error& error) {
    fail(ErrorKind::kData, source, ": ", error.what());
  }
}

std::int64_t parameter_count(nn::Module& module) {
  std::int64_t count = 0;
  for (const auto& [name, parameter] : module.named_parameters()) count += parameter->shape.numel();
  return count;
}

std::string one_line(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 4; ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > 4 ? text + str(", ... (", names.size(), " in all)") : text;
}

}  // namespace

ConvertReport convert_weights(const ConvertParams& params) {
  SEPIA_CHECK(params.output.extension() == ".safetensors", params.output.string(), ": the output's name must end in .safetensors");
  if (!params.architecture.empty()) models::default_spec(params.architecture);  // a wrong name, before a large file is read
  WeightFile file = read_weight_file(params.input, {.key = params.key});
  ConvertReport report;
  report.format = file.format;
  report.input_sha256 = file.sha256;
  report.key = file.key;
  report.notes = file.notes;
  report.skipped = file.skipped;
  report.info = info_of(params, file);
  const HeadNames head = head_names(report.info.model);
  NamedTensors named = named_tensors(file, report.info.model);
  file.tensors = {};
  report.ignored = std::move(named.ignored);

  if (params.new_head) {
    std::erase_if(named.tensors, [&](const FileTensor& tensor) { return tensor.name.starts_with(head.prefix); });
    if (params.classes > 0) report.info.classes = params.classes;
  } else {
    order_labels(params, head, named.tensors, file.source);
    const FileTensor* last = find(named.tensors, head.last + ".weight");
    const std::int64_t in_file = last != nullptr && !last->shape.empty() ? last->shape[0] : 0;
    SEPIA_CHECK_KIND(params.classes == 0 || in_file == 0 || in_file == params.classes, ErrorKind::kData, file.source, ": its head ", head.last, " has ", in_file,
                     " outputs, not --classes ", params.classes, "; leave --classes out, or add --new-head to draw another head");
    if (in_file >= 2) report.info.classes = in_file;
  }

  models::ModelSpec spec = models::default_spec(report.info.model);
  spec.image_size = report.info.image_size;
  spec.classes = report.info.classes;
  spec.numerics = report.info.numerics;
  const std::unique_ptr<nn::Module> module = models::make_model(spec);
  params.new_head ? module->place(kCpuDevice, DType::kF32, params.seed) : module->place_undrawn(kCpuDevice, DType::kF32);
  LoadParams load_params;
  load_params.allow_missing = true;  // told apart below: only a new head may be missing
  const LoadReport loaded = load_weights(as_safetensors(named.tensors, file.source), *module, load_params);
  std::vector<std::string> lost;
  for (const std::string& name : loaded.missing) {
    if (!params.new_head || !name.starts_with(head.prefix)) lost.push_back(name);
  }
  SEPIA_CHECK_KIND(lost.empty(), ErrorKind::kData, file.source, ": does not hold the weights of ", report.info.model, ": ", loaded.loaded, " tensors found, ",
                   lost.size(), " missing (", one_line(lost), "), ", loaded.unexpected.size(), " unexpected (", one_line(loaded.unexpected), ")");
  report.loaded = loaded.loaded;
  report.missing = loaded.missing;
  report.unexpected = loaded.unexpected;
  report.parameters = parameter_count(*module);

  TensorFileMetadata metadata = file.metadata;
  for (const auto& [key, value] : to_metadata(report.info)) metadata[key] = value;
  metadata["sepia.source_sha256"] = file.sha256;
  save_weights(params.output, *module, metadata);
  report.output_sha256 = sha256_hex(read_file(params.output, SafetensorsFile::kMaxFileBytes));
  return report;
}

}  // namespace sepia::convert
