// language.hpp: the words of CUDA C++: where things run and lie, who a thread is, and how threads meet.
//
// Every meeting takes its caller's file and line, to name them when threads meet at different places.
#pragma once
#include "state.hpp"
#include "intrinsics.hpp"
#include "atomics.hpp"
#include "launch.hpp"

// Of NVRTC's macros those that sources ask for. The architecture is the least that has every intrinsic here.
#define CUDA_EMULATOR 1
#define __CUDACC__ 1
#define __CUDACC_RTC__ 1
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 800
#endif

#define __global__ static __attribute__((noinline))  // internal, or no red zones would be put around shared arrays
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __grid_constant__

// `extern __shared__ T name[]` is rewritten into this: C++ has no word for it.
#define EMULATOR_DYNAMIC_SHARED(T, name) T* const name = reinterpret_cast<T*>(emulator::machine.dynamic_shared)

#define threadIdx (emulator::machine.running->index)
#define blockIdx (emulator::machine.block_index)
#define blockDim (emulator::machine.block)
#define gridDim (emulator::machine.grid)
constexpr int warpSize = 32;

#define EMULATOR_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(EMULATOR_HERE) { emulator::wait_block(emulator::SYNCTHREADS, 0, file, line); }
inline int __syncthreads_count(int p, EMULATOR_HERE) {
    return int(emulator::wait_block(emulator::SYNCTHREADS_COUNT, p != 0, file, line));
}
inline int __syncthreads_and(int p, EMULATOR_HERE) {
    return int(emulator::wait_block(emulator::SYNCTHREADS_AND, p != 0, file, line));
}
inline int __syncthreads_or(int p, EMULATOR_HERE) {
    return int(emulator::wait_block(emulator::SYNCTHREADS_OR, p != 0, file, line));
}
inline void __syncwarp(unsigned mask = ~0u, EMULATOR_HERE) {
    emulator::wait_warp(emulator::SYNCWARP, mask, 0, 0, 0, file, line);
}

inline unsigned __ballot_sync(unsigned mask, int p, EMULATOR_HERE) {
    return unsigned(emulator::wait_warp(emulator::BALLOT, mask, p != 0, 4, 0, file, line));
}
inline int __any_sync(unsigned mask, int p, EMULATOR_HERE) {
    return int(emulator::wait_warp(emulator::ANY, mask, p != 0, 4, 0, file, line));
}
inline int __all_sync(unsigned mask, int p, EMULATOR_HERE) {
    return int(emulator::wait_warp(emulator::ALL, mask, p != 0, 4, 0, file, line));
}
template <class T>
inline unsigned __match_any_sync(unsigned mask, T value, EMULATOR_HERE) {
    return unsigned(emulator::wait_warp(emulator::MATCH_ANY, mask, emulator::bits(value), sizeof(T), 0, file, line));
}

namespace emulator {
template <class T>
inline T shuffle(Operation operation, unsigned mask, T value, int source, const char* file, int line) {
    return from_bits<T>(wait_warp(operation, mask, bits(value), sizeof(T), unsigned(source), file, line));
}
inline int lane() { return int(machine.running->lane); }
inline int first_of(int lane, int width) { return lane & ~(width - 1); }
}  // namespace emulator

// The source lanes are those of the CUDA C++ Programming Guide, "Warp Shuffle Functions".
template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATOR_HERE) {
    const int from = emulator::first_of(emulator::lane(), width) | (source & (width - 1));
    return emulator::shuffle(emulator::SHFL, mask, value, from, file, line);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32, EMULATOR_HERE) {
    const int from = emulator::lane() ^ flip, last = emulator::first_of(emulator::lane(), width) + width - 1;
    return emulator::shuffle(emulator::SHFL_XOR, mask, value, from > last ? emulator::lane() : from, file, line);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned step, int width = 32, EMULATOR_HERE) {
    const int from = emulator::lane() - int(step), first = emulator::first_of(emulator::lane(), width);
    return emulator::shuffle(emulator::SHFL_UP, mask, value, from < first ? emulator::lane() : from, file, line);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned step, int width = 32, EMULATOR_HERE) {
    const int from = emulator::lane() + int(step), last = emulator::first_of(emulator::lane(), width) + width - 1;
    return emulator::shuffle(emulator::SHFL_DOWN, mask, value, from > last ? emulator::lane() : from, file, line);
}

#define EMULATOR_REDUCE(NAME, T, OPERATION)                                                                  \
    inline T NAME(unsigned mask, T value, EMULATOR_HERE) {                                                   \
        return T(emulator::wait_warp(emulator::OPERATION, mask, unsigned(value), sizeof(T), 0, file, line)); \
    }
EMULATOR_REDUCE(__reduce_add_sync, unsigned, REDUCE_ADD)
EMULATOR_REDUCE(__reduce_add_sync, int, REDUCE_ADD)
EMULATOR_REDUCE(__reduce_min_sync, unsigned, REDUCE_MIN)
EMULATOR_REDUCE(__reduce_min_sync, int, REDUCE_MIN_SIGNED)
EMULATOR_REDUCE(__reduce_max_sync, unsigned, REDUCE_MAX)
EMULATOR_REDUCE(__reduce_max_sync, int, REDUCE_MAX_SIGNED)
EMULATOR_REDUCE(__reduce_and_sync, unsigned, REDUCE_AND)
EMULATOR_REDUCE(__reduce_or_sync, unsigned, REDUCE_OR)
EMULATOR_REDUCE(__reduce_xor_sync, unsigned, REDUCE_XOR)
#undef EMULATOR_REDUCE

inline void __threadfence() { emulator::fence(); }
inline void __threadfence_block() { emulator::fence(); }
inline void __threadfence_system() { emulator::fence(); }
inline void __nanosleep(unsigned) { emulator::give_way(); }
inline void __trap(EMULATOR_HERE) { emulator::stop("__trap", file, line); }
#define assert(condition) ((condition) ? void() : emulator::stop("assert(" #condition ")", __FILE__, __LINE__))
