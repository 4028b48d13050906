// checks.hpp: what the scheduler tells the memory checkers, and what they have to say at the end.
#pragma once
#include "regions.hpp"
#include <stddef.h>
#include <stdint.h>
#include <string>

namespace emulator::checks {

struct Settings {
    bool races, profile;
    uint32_t preempt;  // about one access in so many lets another thread run; 0: none does
    uint64_t seed;
};

void begin_launch(const Settings&);
void begin_block(uint64_t block);
void end_block();
void block_barrier();
void warp_barrier(unsigned warp, unsigned lanes);
void fence();
std::string findings();  // one a line, empty if nothing was found

enum Access : uint8_t { READ = 1, WRITE = 2, ATOMIC = 4 };

// The compiler calls these, by way of the hooks, before an access of the kernel is made. `site` is the code's address.
void race_access(uintptr_t address, size_t bytes, unsigned access, void* site);
Place bounds_access(uintptr_t address, size_t bytes, bool write, void* site);

// "<pc:1234>", which Python turns into a source line.
std::string source_of(uint32_t site);
uint32_t number_of(void* site);

}  // namespace emulator::checks
