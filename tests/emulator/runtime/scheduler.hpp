// scheduler.hpp: which thread of the block runs next, and what its threads wait for.
#pragma once
#include "state.hpp"
#include <stdint.h>
#include <string>

namespace emulator {

enum Order : int32_t { FORWARD, REVERSE, RANDOM };

extern const char* const names[OPERATIONS];

// A generator of its own for each use: reproducible, and good enough to choose threads with.
struct Random {
    uint64_t state = 1;
    void seed(uint64_t a, uint64_t b) { state = ((a + 1) * 0x9E3779B97F4A7C15u ^ (b + 1) * 0xD1342543DE82EF95u) | 1; }
    uint64_t operator()() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
};

struct Counts {
    uint64_t switches = 0;
    uint64_t at[OPERATIONS] = {};  // meetings, by what was met at: one a block or warp, not one a thread
};
extern Counts counts;

struct Failure {
    std::string text;
};

void begin_launch(Order order);
void run_block(uint64_t block, uint64_t seed, void (*kernel)(void**), void** arguments);  // throws Failure

// Of the running thread.
void yield();                                 // to another that can run, if there is one
[[noreturn]] void fail(std::string message);  // ends the launch

// For the warps.
Thread& arrive(Operation, unsigned mask, uint64_t given, uint8_t bytes, unsigned source, const char* file, int line);
void leave();  // returns when the thread has been woken
void wake(unsigned first, unsigned count, unsigned lanes);
std::string describe(const Thread&);  // "__syncwarp(0000ffff) at kernel.cu:12"
std::string place();                  // "thread (1,0,0) of block (0,0,0)"
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

// Of warps.cpp.
void begin_warps();
void leave_warp(Thread&);

}  // namespace emulator
