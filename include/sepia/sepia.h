// All that a program of one's own needs: tensors, the tape, operations.
#pragma once

#include "engine/autograd/variable.h"
#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "engine/base/version.h"
#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flatten.h"
#include "engine/ops/linear.h"
#include "engine/ops/materialise.h"
#include "engine/ops/pooling.h"
#include "engine/tensor/tensor.h"
