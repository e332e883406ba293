"""Weights, pixels and labels as pure functions of a counter, so that Python and C++ start from the same bits without a file.

The C++ twin is tests/support/counter_formula.h; tests/support/counter_formula_test.cpp holds values that
`python counter_formula.py` prints. Change both together, then run the generators again.

    hash32(x)              lowbias32, a 32-bit mixer found by Chris Wellons ("Prospecting for hash functions", 2018):
                           x ^= x >> 16; x *= 0x7feb352d; x ^= x >> 15; x *= 0x846ca68b; x ^= x >> 16      (mod 2^32)
    signed_unit(p, i)      2 u - 1, u = hash32(p * 0x9E3779B1 + i) / 2^32                          in [-1, 1), exact in double
    parameter p, element i (row-major in PyTorch's layout; p counts named_parameters() from 0; buffers are not counted)
        "uniform"          signed_unit(p, i) * (1 / sqrt(fan_in))    weights and biases; fan_in = inputs of one output:
                           C/groups * R * S of a convolution, in_features of a linear layer; a bias takes its layer's
        "bn_weight"        1 + signed_unit(p, i) / 8
        "bn_bias"          signed_unit(p, i) / 8                     (running mean 0, running variance 1)
    pixel(n, c, y, x)      (hash32(0xC0A45E00 + ((3 n + c) 32 + y/8) 32 + x/8) >> 25)              8x8 blocks, 0..127
                         + (hash32(0xF17E0000 + ((3 n + c) 256 + y) 256 + x) >> 25)                noise, 0..127
    label(n)               hash32(0x1ABE1000 + n) >> 31
    normalised             (pixel / 255 - mean[c]) / std[c], in double, in this order

Every step is one correctly rounded operation or exact, so no fused multiply-add can change a bit.
"""

import numpy as np

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)


def hash32(x):
    x = np.asarray(x, dtype=np.uint32).copy()
    with np.errstate(over="ignore"):
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return x


def _wrap(x):
    return (np.asarray(x, dtype=np.uint64) & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def signed_unit(p, count):
    i = np.arange(count, dtype=np.uint64)
    return 2.0 * (hash32(_wrap(i + np.uint64(p * 0x9E3779B1))).astype(np.float64) / 4294967296.0) - 1.0


def parameter(p, kind, shape, fan_in):
    s = signed_unit(p, int(np.prod(shape)))
    values = {"uniform": lambda: s * (1.0 / np.sqrt(float(fan_in))), "bn_weight": lambda: 1.0 + s / 8.0, "bn_bias": lambda: s / 8.0}[kind]()
    return values.reshape(shape)


def pixels(n, size):
    """Picture n as uint8 [3, size, size]."""
    c, y, x = np.meshgrid(np.arange(3, dtype=np.uint64), np.arange(size, dtype=np.uint64), np.arange(size, dtype=np.uint64), indexing="ij")
    plane = np.uint64(3 * n) + c
    coarse = hash32(_wrap(np.uint64(0xC0A45E00) + (plane * np.uint64(32) + y // np.uint64(8)) * np.uint64(32) + x // np.uint64(8)))
    fine = hash32(_wrap(np.uint64(0xF17E0000) + (plane * np.uint64(256) + y) * np.uint64(256) + x))
    return ((coarse >> np.uint32(25)) + (fine >> np.uint32(25))).astype(np.uint8)


def normalised(n, size):
    """Picture n as float64 [3, size, size]."""
    mean = np.array(MEAN).reshape(3, 1, 1)
    std = np.array(STD).reshape(3, 1, 1)
    return (pixels(n, size).astype(np.float64) / 255.0 - mean) / std


def label(n):
    return int(hash32(_wrap(0x1ABE1000 + n)) >> np.uint32(31))


def batch(index, batch_size, size):
    """Batch `index`: pictures index * batch_size and following, float64 [batch_size, 3, size, size], and their labels."""
    numbers = range(index * batch_size, (index + 1) * batch_size)
    return np.stack([normalised(n, size) for n in numbers]), np.array([label(n) for n in numbers])


if __name__ == "__main__":
    print("hash32(0, 1, 2^32-1):", [hex(int(hash32(v))) for v in (0, 1, 0xFFFFFFFF)])
    for p, kind, fan_in in ((0, "uniform", 147), (3, "uniform", 294), (7, "bn_weight", 1), (8, "bn_bias", 1)):
        values = parameter(p, kind, (1000,), fan_in)
        print(p, kind, fan_in, [float(values[i]).hex() for i in (0, 1, 999)])
    for n, c, y, x in ((0, 0, 0, 0), (0, 2, 63, 63), (5, 1, 17, 42), (31, 2, 8, 7)):
        print("pixel", (n, c, y, x), pixels(n, 64)[c, y, x], float(normalised(n, 64)[c, y, x]).hex())
    print("labels 0..31:", "".join(str(label(n)) for n in range(32)))
