// regions.hpp: what memory a kernel may touch.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace emulator {

struct Region {
    uintptr_t begin, end;
    int32_t writable;
};

// Not const: global: what the launch was given. Shared: fresh for each block. Variable: of the module itself.
enum class Space : uint8_t { NOWHERE, LOCAL, GLOBAL, SHARED, VARIABLE };

struct Place {
    Space space;
    bool writable;
    uintptr_t base;
};

// `given` and `shared` are sorted and apart from each other; `shared` are offsets in this library.
void set_regions(const Region* given, size_t given_count, const Region* shared, size_t shared_count);
void set_dynamic_shared(char* begin, size_t bytes);

bool is_local(uintptr_t address);               // a thread's own variables, or its index
Place locate(uintptr_t address, size_t bytes);  // NOWHERE unless all of it lies in one region

void spoil_shared();  // all of it, with bytes that make NaNs and wild integers

uintptr_t library_base();

}  // namespace emulator
