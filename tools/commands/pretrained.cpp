#include "tools/commands/pretrained.h"

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "engine/io/model_info.h"
#include "engine/io/safetensors.h"
#include "tools/cli/model_argument.h"

namespace sepia::cli {

void take_pretrained(train::TrainConfig& config, const models::ModelSpec& spec) {
  train::TransferConfig& t = config.transfer;
  t.pretrained = weights_file(t.pretrained).string();
  const std::vector<std::byte> bytes = read_file(t.pretrained, SafetensorsFile::kMaxFileBytes);
  t.pretrained_sha256 = sha256_hex(bytes);
  const auto info = model_info_from_metadata(SafetensorsFile::parse(bytes, t.pretrained).metadata(), t.pretrained);
  if (!info) return;
  check_usable(*info, t.pretrained, "");
  SEPIA_CHECK_KIND(models::default_spec(info->model).backbone == spec.backbone, ErrorKind::kData, t.pretrained, ": belongs to ", info->model,
                   ", whose layers before the head are not those of ", spec.name);
  config.numerics = info->numerics;
  config.normalisation = {.mean = info->mean, .std = info->std, .kind = ops::input_kind_from_name(info->input)};
}

}  // namespace sepia::cli
