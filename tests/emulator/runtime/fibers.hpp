// fibers.hpp: the stacks that CUDA threads run on, and the switch from one to another.
#pragma once
#include <stddef.h>

namespace emulator {

constexpr size_t STACK = 256 << 10;

void make_stacks(unsigned threads);  // at least as many; the same ones as before where they suffice
char* stack_of(unsigned thread);
const char* stacks_begin();
const char* stacks_end();

// What to switch to for `entry` to start on an empty stack.
void* fresh_stack(unsigned thread, void (*entry)());

// Saves where the caller stands in `save` and goes on where `load` was saved.
extern "C" void emulator_switch(void** save, void* load);

}  // namespace emulator
