// Class activation maps, from a layer's output A (h, w, C) and the gradient g of the class score S (a logit) at it. Maps are as large as
// the layer; all are cut at zero (ReLU).
//
//   Grad-CAM     sum_c mean_yx(g_c) A_c                                      Selvaraju et al. 2017
//   Grad-CAM++   sum_c w_c A_c,  w_c = sum_yx alpha_c relu(g_c),             Chattopadhay et al. 2018 (score exp(S))
//                alpha = g^2 / (2 g^2 + g^3 sum_yx A_c + e), 0 where g is 0
//   HiResCAM     sum_c g_c A_c                                               Draelos and Carin 2020
//   Layer-CAM    sum_c relu(g_c) A_c                                         Jiang et al. 2021
//   Eigen-CAM    the activations' first principal component over positions   Muhammad and Yeasin 2020
//
// The paper of Grad-CAM++ has no e in the denominator. pytorch-grad-cam has e = 1e-6, and since gradients behind a global pooling are small
// (g^2 far below 1e-6), that number decides much of its map. The default here is the same, so that maps can be compared; e = 0 gives
// the paper's.
// Eigen-CAM is centred (each channel's mean is taken away first), as in pytorch-grad-cam. A principal component has no sign: here its
// larger values lie where the activations (summed over channels) are larger.
#pragma once

#include <vector>

#include "engine/explain/map.h"
#include "engine/explain/method.h"
#include "engine/tensor/tensor.h"

namespace sepia::explain {

struct CamOptions {
  double epsilon = 1e-6;  ///< e of Grad-CAM++
  bool relu = true;       ///< cut at zero; without, maps are signed
};

/// The maps of N pictures; activation and gradient (N, h, w, C). The gradient may be undefined for Eigen-CAM. Throws kUsage when the
/// layer's output is not of that form, or the method is not a class activation map.
std::vector<Map> class_activation_maps(Method method, const Tensor& activation, const Tensor& gradient, const CamOptions& options = {});

/// Scores of the rows of a (rows, columns) matrix on its first principal component, the columns centred: what Eigen-CAM draws. Signed as
/// said above; zero when all rows are alike.
std::vector<double> first_principal_scores(std::vector<double> matrix, std::size_t rows, std::size_t columns);

}  // namespace sepia::explain
