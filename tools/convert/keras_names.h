// Keras' Xception as PyTorch's: names of layers, and the layouts of their weights.
//
//   Keras                                     PyTorch (Cadene, timm)
//   block1_conv1, block1_conv2                conv1, conv2
//   block2_sepconv1 .. block4_sepconv2        block1.rep .. block3.rep
//   block5_sepconv1 .. block12_sepconv3       block4.rep .. block11.rep
//   block13_sepconv1, block13_sepconv2        block12.rep
//   block14_sepconv1, block14_sepconv2        conv3, conv4
//   conv2d, conv2d_1, ... (four, numbered)    skip of blocks 1, 2, 3, 12
//   batch_normalization, ..._1, ...           skipbn of the same
//   predictions (or the only dense layer)     fc
//
//   kernel (R, S, C, K) -> (K, C, R, S); depthwise_kernel (R, S, C, 1) -> (C, 1, R, S); pointwise_kernel (1, 1, I, O) -> (O, I, 1, 1);
//   dense kernel (I, O) -> (O, I); gamma, beta, moving_mean, moving_variance -> weight, bias, running_mean, running_var.
//
// (Chollet 2017, "Xception", and keras.applications.xception for the layers' names.)
#pragma once

#include <string>
#include <vector>

#include "engine/io/weight_file.h"
#include "tools/convert/torch_names.h"

namespace sepia::convert {

/// A weight of a layer: "block1_conv1" and "kernel".
struct KerasVariable {
  std::string layer, variable;
};

/// The layer and variable of every tensor of `file`, in its order, in either scheme:
///   TF-Keras  [GROUP/]LAYER/LAYER/kernel:0, also with the layer's name before the variable's (kernels of Keras 1 and 2)
///   Keras 3   layers/CLASS_N/vars/I; the layer's own name is an attribute, and where it is missing the place in its class is counted
/// kData for a tensor that is neither.
std::vector<KerasVariable> keras_variables(const WeightFile& file);

/// The tensors of an Xception by Keras under PyTorch's names and in its layouts. kData, beginning with the file's name, when a tensor does
/// not have the dimensions that its kind has, or the file is no Xception.
NamedTensors keras_xception(const WeightFile& file);

}  // namespace sepia::convert
