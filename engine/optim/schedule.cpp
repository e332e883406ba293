#include "engine/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/base/error.h"

namespace sepia::optim {
namespace {

// From a to b along half a cosine as t goes from 0 to 1.
double cosine_between(double a, double b, double t) { return b + (a - b) * (1 + std::cos(std::numbers::pi * t)) / 2; }

double one_cycle(const ScheduleOptions& options, double progress, double epochs) {
  constexpr double kStart = 1.0 / 25, kEnd = kStart / 1e4;
  const double rise = options.warmup_epochs > 0 ? std::min(options.warmup_epochs / epochs, 1.0) : 0.3;
  if (progress < rise) return cosine_between(kStart, 1, progress / rise);
  return cosine_between(1, kEnd, rise < 1 ? (progress - rise) / (1 - rise) : 1);
}

}  // namespace

ScheduleKind schedule_from_name(const std::string& name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "cosine") return ScheduleKind::kCosine;
  if (name == "onecycle") return ScheduleKind::kOneCycle;
  fail(ErrorKind::kUsage, "there is no schedule '", name, "'; use constant, cosine or onecycle");
}

const char* schedule_name(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kConstant: return "constant";
    case ScheduleKind::kCosine: return "cosine";
    case ScheduleKind::kOneCycle: return "onecycle";
  }
  return "?";
}

double schedule_factor(const ScheduleOptions& options, double epoch, double epochs) {
  if (options.kind == ScheduleKind::kOneCycle) return one_cycle(options, std::clamp(epoch / epochs, 0.0, 1.0), epochs);
  if (epoch < options.warmup_epochs) return options.warmup_start + (1 - options.warmup_start) * epoch / options.warmup_epochs;
  if (options.kind == ScheduleKind::kConstant) return 1;
  return cosine_between(1, options.final_fraction, std::clamp(epoch / epochs, 0.0, 1.0));
}

}  // namespace sepia::optim
