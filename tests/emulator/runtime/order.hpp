// order.hpp: which of two accesses came first, by the rules of CUDA rather than by the accident of this run.
//
// Within a block: __syncthreads orders everything before it against everything after it, which is one number (the
// epoch); __syncwarp orders the lanes that it names, which is a vector of 32 clocks a lane. Shuffles and votes order
// nothing. Beyond: __threadfence followed by an atomic publishes what its thread knew, to whoever then meets that atomic.
#pragma once
#include "state.hpp"
#include <stdint.h>

namespace emulator::order {

struct Moment {
    uint32_t epoch, clock;
    uint16_t thread;
};

void begin_launch();
void begin_block(uint64_t block);
void block_barrier();
void warp_barrier(unsigned warp, unsigned lanes);

Moment now(const Thread&);
bool before(const Moment&, const Thread& reader);  // has it happened, for a thread that runs now?
bool in_this_block(const Moment&);
uint64_t block_of(const Moment&);

void fence(const Thread&);
void publish(const Thread&, uintptr_t atomic);
void learn(const Thread&, uintptr_t atomic);

}  // namespace emulator::order
