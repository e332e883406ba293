#include "tools/summary/step_memory.h"

#include <exception>
#include <thread>

#include "engine/nn/flat_parameters.h"
#include "engine/train/stepper.h"

namespace sepia::tools {
namespace {

/// Bytes of the plan of a step with `pictures` pictures, on a thread of its own, whose arena has seen nothing else.
std::size_t planned_bytes(nn::Module& model, int image_size, int pictures) {
  std::size_t bytes = 0;
  std::exception_ptr error;
  std::thread([&] {
    try {
      Batch batch;
      batch.n = pictures;
      batch.height = batch.width = image_size;
      batch.pixels.assign(static_cast<std::size_t>(pictures) * image_size * image_size * 3, 0);
      batch.labels.assign(static_cast<std::size_t>(pictures), kReal);
      batch.indices.assign(static_cast<std::size_t>(pictures), 0);
      train::Stepper stepper(model, {});
      stepper.accumulate(batch, 1);
      bytes = arena_of(model.device())->statistics().slab_bytes;
      model.flat().clear_gradients();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  if (error) std::rethrow_exception(error);
  return bytes;
}

}  // namespace

StepMemory step_memory(nn::Module& model, int image_size, int batch) {
  const bool was_training = model.training();
  model.train();
  const std::size_t one = planned_bytes(model, image_size, 1), two = planned_bytes(model, image_size, 2);
  model.train(was_training);
  const nn::FlatParameters& flat = model.flat();
  const auto bytes_of = [](const Tensor& tensor) { return tensor.defined() ? tensor.bytes() : 0; };
  return {.batch = batch,
          .state_bytes = flat.weights().bytes() + bytes_of(flat.rounded_weights()) + 2 * flat.running_statistics().bytes() + 3 * flat.gradients().bytes(),
          .step_bytes = one + (two - one) * static_cast<std::size_t>(batch - 1)};
}

}  // namespace sepia::tools
