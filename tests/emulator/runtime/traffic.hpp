// traffic.hpp: what the memory system would have to move: sectors of 32 bytes a request of global memory, passes a
// request of shared memory (one, if no two words of a bank are asked for).
#pragma once
#include "regions.hpp"
#include "state.hpp"
#include <stdint.h>
#include <string>

namespace emulator::traffic {

void begin_launch();
void note(const Thread&, uintptr_t address, size_t bytes, unsigned access, uint32_t site, const Place&);
void end_block();
std::string lines();  // "traffic <pc:..> space access requests lanes units least": one a place in the code

}  // namespace emulator::traffic
