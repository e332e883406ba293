#include "engine/explain/method.h"

#include "engine/base/error.h"

namespace sepia::explain {

const std::vector<MethodFacts>& methods() {
  static const std::vector<MethodFacts> all = {
      {Method::kSaliency, "saliency", "Saliency", false, false, "how strongly the score reacts to each pixel"},
      {Method::kSmoothGrad, "smoothgrad", "SmoothGrad", false, false, "how strongly the score reacts to each pixel, averaged over noisy copies"},
      {Method::kIntegratedGradients, "ig", "Integrated gradients", false, true, "each pixel's share of the score's difference from a baseline picture"},
      {Method::kGuidedBackprop, "guided", "Guided backprop", false, false,
       "edges of the picture for the most part: hardly depends on the weights, no evidence about the model"},
      {Method::kGradCam, "gradcam", "Grad-CAM", true, false, "where features that speak for the class are active"},
      {Method::kGradCamPlusPlus, "gradcam++", "Grad-CAM++", true, false, "where features that speak for the class are active, several places weighed alike"},
      {Method::kHiResCam, "hirescam", "HiResCAM", true, false, "where features times their gradient speak for the class"},
      {Method::kLayerCam, "layercam", "Layer-CAM", true, false, "where features are active and more of them would raise the score"},
      {Method::kEigenCam, "eigencam", "Eigen-CAM", true, false, "where the layer's activations vary most: does not ask about any class"},
  };
  return all;
}

const MethodFacts& facts_of(Method method) { return methods().at(static_cast<std::size_t>(method)); }

Method method_named(const std::string& name) {
  std::string known;
  for (const MethodFacts& facts : methods()) {
    if (name == facts.name) return facts.method;
    known += (known.empty() ? "" : ", ") + std::string(facts.name);
  }
  fail(ErrorKind::kUsage, "there is no method '", name, "'; methods: ", known);
}

}  // namespace sepia::explain
