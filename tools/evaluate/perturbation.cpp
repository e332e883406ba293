#include "tools/evaluate/perturbation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "data/augment_strong.h"
#include "data/resize.h"
#include "engine/base/error.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

struct Kind {
  const char *name, *title, *axis;
  double low, high;
};

constexpr Kind kKinds[] = {{"jpeg", "After JPEG compression", "JPEG quality", 1, 100},
                            {"scale", "After shrinking and enlarging", "side after shrinking, %", 0.02, 1},
                            {"blur", "After blurring", "blur, %", 0, 1}};

const Kind* kind_of(const std::string& name) {
  const auto found = std::ranges::find_if(kKinds, [&](const Kind& kind) { return name == kind.name; });
  return found == std::end(kKinds) ? nullptr : &*found;
}

[[noreturn]] void refuse(const std::string& part) {
  fail(ErrorKind::kUsage, "--perturb '", part, "': expected KIND:FROM..TO or KIND:FROM..TO:STEPS, such as jpeg:95..30 (quality 1 to 100), scale:1..0.25 ",
       "(share of the side, 0.02 to 1) or blur:0..1");
}

double number(const std::string& text, const std::string& part) {
  const bool plain = !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos && std::ranges::count(text, '.') <= 1 && text != "." && text.size() <= 9;
  if (!plain) refuse(part);
  return std::stod(text);
}

Perturbation perturbation_of(const std::string& part) {
  const std::size_t colon = part.find(':');
  if (colon == std::string::npos) refuse(part);
  Perturbation result{.kind = part.substr(0, colon), .strengths = {}};
  const Kind* kind = kind_of(result.kind);
  if (kind == nullptr) refuse(part);
  std::string range = part.substr(colon + 1);
  int steps = kPerturbationSteps;
  if (const std::size_t second = range.find(':'); second != std::string::npos) {
    const double wanted = number(range.substr(second + 1), part);
    if (wanted < 1 || wanted > 100 || wanted != std::floor(wanted)) refuse(part);
    steps = static_cast<int>(wanted);
    range.resize(second);
  }
  const std::size_t dots = range.find("..");
  const double from = number(range.substr(0, dots), part), to = dots == std::string::npos ? from : number(range.substr(dots + 2), part);
  if (std::min(from, to) < kind->low || std::max(from, to) > kind->high) refuse(part);
  if (from == to) steps = 1;
  for (int i = 0; i < steps; ++i) {
    double strength = steps == 1 ? from : from + (to - from) * i / (steps - 1);
    if (result.kind == "jpeg") strength = std::round(strength);
    if (result.strengths.empty() || result.strengths.back() != strength) result.strengths.push_back(strength);
  }
  return result;
}

}  // namespace

std::vector<Perturbation> perturbations_from_text(const std::string& text) {
  std::vector<Perturbation> result;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) result.push_back(perturbation_of(part));
  if (result.empty() || text.ends_with(',')) refuse(text);
  return result;
}

Image perturbed(const Image& image, const std::string& kind, double strength) {
  if (kind == "jpeg") return recompressed(image, static_cast<int>(std::lround(strength)), true);
  if (kind == "blur") return blurred(image, static_cast<int>(std::lround(256 * strength)));
  SEPIA_CHECK(kind == "scale", "[perturbed] there is no perturbation '", kind, "'");
  const auto shrunk = [&](int side) { return std::max(1, static_cast<int>(std::lround(strength * side))); };
  if (shrunk(image.width) == image.width && shrunk(image.height) == image.height) return image;
  return resize(resize(image, shrunk(image.width), shrunk(image.height)), image.width, image.height);
}

Sample PerturbedDataset::at(std::size_t i) const {
  Sample sample = inner_.at(i);
  sample.image = perturbed(sample.image, kind_, strength_);
  return sample;
}

report::Chart perturbation_chart(const std::vector<PerturbedResult>& results, const std::string& kind, double threshold) {
  report::Chart chart;
  report::Series auc{.name = "AUC", .ink = report::Ink::kAccent, .marker = report::Marker::kCircle},
      missed{.name = "fakes missed", .ink = report::Ink::kFake, .marker = report::Marker::kSquare},
      alarms{.name = "real called fake", .ink = report::Ink::kReal, .marker = report::Marker::kTriangle};
  const bool percent = kind != "jpeg";
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const PerturbedResult& result : results) {
    if (result.kind != kind) continue;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Confusion& c = result.evaluation.confusion;
    const double missed_share = c.fakes() > 0 ? static_cast<double>(c.fn) / static_cast<double>(c.fakes()) : nan;
    const double alarm_share = c.reals() > 0 ? static_cast<double>(c.fp) / static_cast<double>(c.reals()) : nan;
    low = std::min(low, result.strength);
    high = std::max(high, result.strength);
    auc.points.push_back({result.strength, result.evaluation.auc.value.value_or(nan)});
    missed.points.push_back({result.strength, missed_share});
    alarms.points.push_back({result.strength, alarm_share});
    chart.hints.push_back({result.strength, kind + " " + report::number_text(result.strength, 3) + "\nAUC " + report::fixed_text(auc.points.back().y, 3) + "\nfakes missed " +
                                                report::percent_text(missed_share, 1) + "\nreal called fake " + report::percent_text(alarm_share, 1)});
  }
  if (low > high) low = 0, high = 1;
  if (low == high) low -= percent ? 0.05 : 5, high += percent ? 0.05 : 5;
  const Kind* known = kind_of(kind);
  chart.title = known ? known->title : "After " + kind;
  chart.subtitle = "error rates at threshold " + report::number_text(threshold, 3);
  chart.x = report::linear_axis(known ? known->axis : kind, low, high, percent);
  chart.y = report::linear_axis("AUC and error rates, %", 0, 1, true);
  chart.series = {std::move(auc), std::move(missed), std::move(alarms)};
  return chart;
}

}  // namespace sepia::tools
