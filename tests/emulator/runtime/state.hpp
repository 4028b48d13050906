// state.hpp: what a kernel's code and the scheduler share. Included in every kernel, so it needs no standard library.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

namespace emulator {

constexpr unsigned WARP = 32, MOST_THREADS = 1024;

// What a thread waits at. Threads that meet must wait at the same one.
enum Operation : uint8_t {
    RUNNING,
    SYNCTHREADS,
    SYNCTHREADS_COUNT,
    SYNCTHREADS_AND,
    SYNCTHREADS_OR,
    SYNCWARP,
    SHFL,
    SHFL_XOR,
    SHFL_UP,
    SHFL_DOWN,
    BALLOT,
    ANY,
    ALL,
    MATCH_ANY,
    REDUCE_ADD,
    REDUCE_MIN,
    REDUCE_MAX,
    REDUCE_MIN_SIGNED,
    REDUCE_MAX_SIGNED,
    REDUCE_AND,
    REDUCE_OR,
    REDUCE_XOR,
    EXITED,
    OPERATIONS,
};

struct Thread {
    void* stack_pointer;  // while it does not run
    char* stack;
    uint3 index;  // threadIdx
    unsigned number, lane, warp;
    Operation at;
    uint8_t bytes;          // of what it gives
    unsigned mask, source;  // the lanes that meet; for a shuffle the lane to read
    uint64_t given, result;
    const char* file;
    int line;
};

// One block at a time: there is one of everything. The memory checker lets a kernel read this, and only this, freely.
struct Machine {
    Thread* running;
    dim3 grid, block;
    uint3 block_index;
    char* dynamic_shared;
    unsigned threads;
    Thread thread[MOST_THREADS];
};
extern Machine machine;

uint64_t wait_block(Operation, uint64_t given, const char* file, int line);
uint64_t wait_warp(Operation, unsigned mask, uint64_t given, uint8_t bytes, unsigned source, const char* file,
                   int line);
void give_way();  // lets the other threads run; fails when that has long been in vain
void fence();
[[noreturn]] void stop(const char* why, const char* file, int line);

}  // namespace emulator
