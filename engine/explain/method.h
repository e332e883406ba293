// The ways of asking a network why, by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sepia::explain {

/// Formulas and papers: attribution.h for the first four, cam.h for the others.
enum class Method : std::uint8_t {
  kSaliency,
  kSmoothGrad,
  kIntegratedGradients,
  kGuidedBackprop,
  kGradCam,
  kGradCamPlusPlus,
  kHiResCam,
  kLayerCam,
  kEigenCam,
};

/// What is fixed about a method.
struct MethodFacts {
  Method method;
  const char* name;   ///< on the command line and in file names: "gradcam++"
  const char* title;  ///< for people: "Grad-CAM++"
  bool cam;           ///< a class activation map: made at a layer, as coarse as that layer
  bool is_signed;     ///< its maps have values of both signs
  const char* says;   ///< what a map shows, in one sentence
};

/// All methods, in the order of the enumeration.
const std::vector<MethodFacts>& methods();
const MethodFacts& facts_of(Method method);
/// Throws kUsage for an unknown name and lists the known ones.
Method method_named(const std::string& name);

}  // namespace sepia::explain
