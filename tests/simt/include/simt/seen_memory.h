// memcpy, memmove and memset where the compiler leaves them as calls: instrumented code calls functions of the emulator
// instead, which see the accesses.
#pragma once

#include <cstddef>

extern "C" {
void* memcpy(void* destination, const void* source, std::size_t bytes) noexcept __asm__("simt_memcpy");
void* memmove(void* destination, const void* source, std::size_t bytes) noexcept __asm__("simt_memmove");
void* memset(void* destination, int value, std::size_t bytes) noexcept __asm__("simt_memset");
}
