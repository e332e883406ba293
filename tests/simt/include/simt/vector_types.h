// CUDA's vector types, with CUDA's alignments: a float4 is one 16-byte access.
#pragma once

// make_float4 and its kin go through a vector type of the compiler, so that what they make is stored as a whole: written out by
// members, the compiler would store (and the emulator count) each member on its own.
#define SIMT_VECTOR2(name, T, alignment)                                 \
  struct alignas(alignment) name {                                       \
    T x, y;                                                              \
  };                                                                     \
  inline __attribute__((always_inline)) name make_##name(T x, T y) {     \
    typedef T Whole __attribute__((vector_size(sizeof(name))));          \
    return __builtin_bit_cast(name, Whole{x, y});                        \
  }
#define SIMT_VECTOR3(name, T)                                                \
  struct name {                                                              \
    T x, y, z;                                                               \
  };                                                                         \
  inline __attribute__((always_inline)) name make_##name(T x, T y, T z) { return {x, y, z}; }
#define SIMT_VECTOR4(name, T, alignment)                                           \
  struct alignas(alignment) name {                                                 \
    T x, y, z, w;                                                                  \
  };                                                                               \
  inline __attribute__((always_inline)) name make_##name(T x, T y, T z, T w) {     \
    typedef T Whole __attribute__((vector_size(sizeof(name))));                    \
    return __builtin_bit_cast(name, Whole{x, y, z, w});                            \
  }

#define SIMT_VECTORS(prefix, T, size) \
  SIMT_VECTOR2(prefix##2, T, 2 * size) SIMT_VECTOR3(prefix##3, T) SIMT_VECTOR4(prefix##4, T, (size == 8 ? 16 : 4 * size))

SIMT_VECTORS(char, signed char, 1)
SIMT_VECTORS(uchar, unsigned char, 1)
SIMT_VECTORS(short, short, 2)
SIMT_VECTORS(ushort, unsigned short, 2)
SIMT_VECTORS(int, int, 4)
SIMT_VECTORS(uint, unsigned int, 4)
SIMT_VECTORS(longlong, long long, 8)
SIMT_VECTORS(ulonglong, unsigned long long, 8)
SIMT_VECTORS(float, float, 4)
SIMT_VECTORS(double, double, 8)

#undef SIMT_VECTORS
#undef SIMT_VECTOR4
#undef SIMT_VECTOR3
#undef SIMT_VECTOR2

/// Extents of a grid or a block.
struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
  constexpr dim3(unsigned int x_extent = 1, unsigned int y_extent = 1, unsigned int z_extent = 1) : x(x_extent), y(y_extent), z(z_extent) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
