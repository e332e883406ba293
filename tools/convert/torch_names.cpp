#include "tools/convert/torch_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "engine/base/error.h"
#include "engine/io/safetensors_header.h"

namespace sepia::convert {
namespace {

constexpr std::array<std::string_view, 4> kPrefixes{"module.", "backbone.", "model.", "net."};
constexpr std::string_view kIgnored = "adjust_channel.";

bool is_xception(const std::string& architecture) { return architecture.starts_with("xception"); }

}  // namespace

HeadNames head_names(const std::string& architecture) {
  constexpr const char* kLinearLayers = "fc";  // fc.*, fc1.*, ...: in all four networks what follows the convolutions, and no more
  if (architecture == "simplenet") return {kLinearLayers, "fc3"};
  if (architecture == "edgenet") return {kLinearLayers, "fc2"};
  return {kLinearLayers, architecture == "xception_based" ? "fc.6" : "fc"};
}

std::string torch_name(std::string name, const std::string& architecture) {
  const auto strip_one = [&] {
    return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view prefix) {
      const bool found = name.starts_with(prefix);
      if (found) name.erase(0, prefix.size());
      return found;
    });
  };
  while (strip_one()) {
  }
  if (!is_xception(architecture)) return name;
  for (const std::string_view head : {"last_linear.1.", "last_linear."}) {
    if (name.starts_with(head)) return "fc." + name.substr(head.size());
  }
  return name;
}

NamedTensors torch_names(std::vector<FileTensor> tensors, const std::string& architecture, const std::string& source) {
  NamedTensors result;
  std::map<std::string, std::string> taken;
  for (FileTensor& tensor : tensors) {
    std::string name = torch_name(tensor.name, architecture);
    if (is_xception(architecture) && name.starts_with(kIgnored)) {
      result.ignored.push_back(name);
      continue;
    }
    const auto [other, added] = taken.emplace(name, tensor.name);
    SEPIA_CHECK_KIND(added, ErrorKind::kData, source, ": tensors ", detail::printable(other->second), " and ", detail::printable(tensor.name), " are both ",
                     detail::printable(name), " without their prefixes; --key chooses one of several networks");
    tensor.name = std::move(name);
    result.tensors.push_back(std::move(tensor));
  }
  return result;
}

}  // namespace sepia::convert
