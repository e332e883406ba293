// A promise to the kernels that weights stay as they are.
#pragma once

#include "engine/tensor/device.h"

namespace sepia {

/// While it lives, nobody writes to the weights of any model on `device`: its kernels may then keep weights in the order in which they
/// multiply them best, and need not put them there anew for every batch. Costs up to the weights' memory once more, until the last one
/// alive is gone. Devices whose kernels have no use for it ignore it.
class HeldWeights {
 public:
  explicit HeldWeights(Device device) : backend_(backend_of(device)) {
    if (backend_.hold_weights) backend_.hold_weights();
  }
  ~HeldWeights() {
    if (backend_.release_weights) backend_.release_weights();
  }
  HeldWeights(const HeldWeights&) = delete;
  HeldWeights& operator=(const HeldWeights&) = delete;

 private:
  const kernels::Backend& backend_;
};

}  // namespace sepia
