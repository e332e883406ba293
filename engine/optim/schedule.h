// Learning-rate schedules, as a function of how far a run is.
#pragma once

#include <cstdint>
#include <string>

namespace sepia::optim {

enum class ScheduleKind : std::uint8_t { kConstant, kCosine, kOneCycle };

/// "constant", "cosine", "onecycle"; throws kUsage otherwise.
ScheduleKind schedule_from_name(const std::string& name);
const char* schedule_name(ScheduleKind kind);

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kConstant;
  double warmup_epochs = 0;       ///< linear from warmup_start * lr to lr (constant, cosine); the rising part of one-cycle (0: 30% of the run)
  double warmup_start = 1e-3;     ///< as a fraction of lr
  double final_fraction = 0.0;    ///< cosine ends at this fraction of lr
};

/// Factor on the base learning rate at `epoch` (fractional: steps within an epoch count) of `epochs`:
///   warm-up   f = start + (1 - start) * epoch / warmup
///   constant  f = 1
///   cosine    f = end + (1 - end) * (1 + cos(pi * epoch / epochs)) / 2   (Loshchilov and Hutter 2017). As in timm, the cosine
///             runs from the start of the run and warm-up stands in for its first part: f steps down from 1 where warm-up ends.
///   one-cycle rises from 1/25 to 1 along a cosine in the first part, falls to 1/250000 in the rest (Smith and Topin 2018; the
///             fractions are the defaults of torch.optim.lr_scheduler.OneCycleLR, which stretches the same curve by one step so
///             that its last step is the end)
double schedule_factor(const ScheduleOptions& options, double epoch, double epochs);

}  // namespace sepia::optim
