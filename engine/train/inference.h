// A network's outputs for pictures, without a tape: what evaluation and prediction run.
//
// Two ways lead there. Layer by layer, a batch passes the layers one after the other, all threads within each: the way of large
// weights, which are read once for all pictures. Depth first, every thread takes one picture through the whole network, then the next:
// what a layer leaves is still in the cache when the next one reads it, and no thread waits for the others before the batch's end. That
// is the way of networks whose weights stay in a core's cache together.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "data/loader.h"
#include "engine/metrics/scores.h"
#include "engine/nn/module.h"
#include "engine/ops/images.h"

namespace sepia::train {

/// A batch's bytes as a placed model's input, on its device and in its type: perhaps still bytes, those of the batch, which must live as long.
Variable network_input(const nn::Module& model, const Batch& batch, const ops::Normalisation& normalisation);

/// Whether run_inference takes pictures through the network one by one: on the CPU (not its reference), in evaluation mode, when all
/// weights and running statistics take at most 1 MiB and nobody watches the layers (nn::Module::watched()). Neither the batch nor the
/// number of threads has a say, so that a picture's outputs depend on neither, to the bit.
bool runs_depth_first(nn::Module& model);

/// Gives `take` the outputs (N, classes) of one batch, without a tape: what evaluation and prediction run, batch after batch. The model
/// must be in evaluation mode; the tensor is gone when `take` returns.
void run_inference(nn::Module& model, const Batch& batch, const ops::Normalisation& normalisation, const std::function<void(const Tensor& outputs)>& take);

/// The two logits of every row; throws kUsage when the network has another number of classes: it cannot be a detector of fakes.
std::vector<Logits2> logits_of(const Tensor& outputs);

/// Logits {real, fake} of every sample of a data set (or of `samples`), in their order. The model is put into evaluation mode and
/// back. `on_batch` hears of the pictures done; returning false stops early with what is there.
struct LogitsOptions {
  ops::Normalisation normalisation{};
  int batch_size = 32;
  int workers = 2;
  std::vector<std::size_t> samples{};
  std::function<bool(std::size_t done)> on_batch{};
};
std::vector<Logits2> compute_logits(nn::Module& model, const Dataset& dataset, const LogitsOptions& options);

/// The same for a network of any number of outputs.
std::vector<std::vector<double>> compute_outputs(nn::Module& model, const Dataset& dataset, const LogitsOptions& options);

}  // namespace sepia::train
