// How a detector bears what happens to pictures on their way: the same split again and again, more and more compressed or reduced.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/metrics/evaluation.h"
#include "tools/report/chart.h"

namespace sepia::tools {

/// One kind of harm and the strengths to try, from the first to the last.
struct Perturbation {
  std::string kind;               ///< "jpeg": quality 1 to 100; "scale": side after shrinking, as a share, made large again; "blur": share of a 3x3 binomial blur
  std::vector<double> strengths;
};

/// "jpeg:95..30,scale:1..0.25": each range in kPerturbationSteps evenly spaced steps, or in N with "jpeg:95..30:N"; "jpeg:75" is one strength.
/// JPEG qualities are rounded to whole numbers, and repeated ones are left out. kUsage, naming the part, for anything else.
std::vector<Perturbation> perturbations_from_text(const std::string& text);

inline constexpr int kPerturbationSteps = 6;

/// The picture after it: integers for JPEG and blur, data/resize.h for scale.
Image perturbed(const Image& image, const std::string& kind, double strength);

/// A data set whose pictures are perturbed after they have been resized to what the network takes.
class PerturbedDataset final : public Dataset {
 public:
  PerturbedDataset(const Dataset& inner, std::string kind, double strength) : inner_(inner), kind_(std::move(kind)), strength_(strength) {}
  std::size_t size() const override { return inner_.size(); }
  Sample at(std::size_t i) const override;
  int label(std::size_t i) const override { return inner_.label(i); }
  std::string path(std::size_t i) const override { return inner_.path(i); }
  int image_size() const override { return inner_.image_size(); }

 private:
  const Dataset& inner_;
  std::string kind_;
  double strength_;
};

/// What was measured at one strength.
struct PerturbedResult {
  std::string kind;
  double strength = 0;
  Evaluation evaluation;
};

/// AUC, share of fakes missed and share of real pictures called fake, against the strength of one kind; `threshold` is said.
report::Chart perturbation_chart(const std::vector<PerturbedResult>& results, const std::string& kind, double threshold);

}  // namespace sepia::tools
