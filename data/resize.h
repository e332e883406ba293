// Resizing pictures to what a network takes.
#pragma once

#include "data/image.h"

namespace sepia {

/// Antialiased bilinear resizing to size x size after torchvision's Resize(size), CenterCrop(size): the shorter side becomes
/// `size` (the longer one is rounded down), then the middle is cut out. A picture of that size comes back unchanged.
/// The filter is a triangle whose half-width is max(1, source / target), with weights renormalised at the border, on 8-bit
/// values: within 1/255 of torchvision.
Image resize_and_crop(Image image, int size);

/// The same filter to exactly width x height, whatever that does to the proportions.
Image resize(const Image& image, int width, int height);

}  // namespace sepia
