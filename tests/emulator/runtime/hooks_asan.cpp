// hooks_asan.cpp: -fsanitize=address puts red zones around local and static arrays, and calls a function before each
// access. These are those functions, with our own list of what may be touched, so no libasan needs to be preloaded.
//
// The compiler marks the red zones of a stack frame itself, in a map of one byte for eight at a fixed place; only the
// part of that map that stands for the threads' stacks is ever made.
#include "hooks_asan.hpp"
#include "checks.hpp"
#include "fibers.hpp"
#include "regions.hpp"
#include "scheduler.hpp"
#include <cstring>
#include <set>
#include <stdexcept>
#include <sys/mman.h>

namespace emulator::asan {

namespace {

#if defined(__aarch64__)
constexpr uintptr_t SHADOW = uintptr_t(1) << 36;
#else
constexpr uintptr_t SHADOW = 0x7fff8000;
#endif

int8_t* shadow_of(uintptr_t address) { return reinterpret_cast<int8_t*>((address >> 3) + SHADOW); }

int8_t* mapped = nullptr;
size_t mapped_bytes = 0;
const char* mapped_for = nullptr;

// As the compiler lays it out.
struct Global {
    uintptr_t begin, size, size_with_red_zone;
    const char *name, *module;
    uintptr_t initialised_late, location, indicator;
};
struct Zone {
    uintptr_t begin, end;
    const char* name;
    bool operator<(const Zone& other) const { return begin < other.begin; }
};
// Not a plain global: the compiler registers arrays before globals like it are made.
std::set<Zone>& zones() {
    static std::set<Zone> all;
    return all;
}

bool in_zone(uintptr_t address, size_t bytes, const char*& name) {
    auto after = zones().lower_bound({address + bytes, 0, nullptr});
    if (after == zones().begin() || (--after)->end <= address) return false;
    name = after->name;
    return true;
}

// A map byte says how many of its eight may be touched; 0 says all, a negative one none.
bool spoiled(uintptr_t address, size_t bytes) {
    for (uintptr_t a = address; a < address + bytes; ++a) {
        const int8_t allowed = *shadow_of(a);
        if (allowed && int8_t(a & 7) >= allowed) return true;
    }
    return false;
}

void mark(uintptr_t begin, size_t bytes, int8_t with) {
    if (begin >= uintptr_t(stacks_begin()) && begin < uintptr_t(stacks_end()))
        memset(shadow_of(begin), with, bytes / 8);
}

void access(uintptr_t address, size_t bytes, bool write, void* code) {
    if (!machine.running) return;
    const char* name = nullptr;
    const bool local = address >= uintptr_t(stacks_begin()) && address < uintptr_t(stacks_end());
    if (local ? !spoiled(address, bytes) : !in_zone(address, bytes, name)) {
        checks::bounds_access(address, bytes, write, code);
        return;
    }
    fail(format("out-of-bounds %s of %zu bytes of ", write ? "write" : "read", bytes) +
         (local ? "a local array" : "the static array " + std::string(name)) + ", " +
         checks::source_of(checks::number_of(code)) + ", by " + place());
}

}  // namespace

void prepare() {
    if (mapped_for != stacks_begin()) {
        if (mapped) munmap(mapped, mapped_bytes);
        mapped = shadow_of(uintptr_t(stacks_begin()) & ~uintptr_t(0x7fff));
        mapped_bytes = size_t(shadow_of(uintptr_t(stacks_end()) + 0x7fff) - mapped) & ~size_t(0xfff);
        void* const got = mmap(mapped, mapped_bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        mapped_for = got == mapped ? stacks_begin() : nullptr;
        if (!mapped_for) {
            mapped = nullptr;
            throw std::runtime_error("the place of the map of red zones is taken: does libasan run in this process?");
        }
    }
    // Threads that a failure cut short have left their marks.
    madvise(mapped, mapped_bytes, MADV_DONTNEED);
}

}  // namespace emulator::asan

using namespace emulator::asan;
#define CALLER __builtin_return_address(0)

extern "C" {

void __asan_init() {}
void __asan_version_mismatch_check_v8() {}
void __asan_handle_no_return() {}
void __asan_before_dynamic_init(const char*) {}
void __asan_after_dynamic_init() {}

void __asan_register_globals(Global* globals, uintptr_t count) {
    for (uintptr_t i = 0; i < count; ++i)
        zones().insert(
            {globals[i].begin + globals[i].size, globals[i].begin + globals[i].size_with_red_zone, globals[i].name});
}
void __asan_unregister_globals(Global*, uintptr_t) {}

#define ACCESS(N)                                                                 \
    void __asan_load##N(uintptr_t address) { access(address, N, false, CALLER); } \
    void __asan_store##N(uintptr_t address) { access(address, N, true, CALLER); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
void __asan_loadN(uintptr_t address, uintptr_t bytes) { access(address, bytes, false, CALLER); }
void __asan_storeN(uintptr_t address, uintptr_t bytes) { access(address, bytes, true, CALLER); }

void __asan_poison_stack_memory(uintptr_t begin, uintptr_t bytes) { mark(begin, bytes, int8_t(0xf8)); }
void __asan_unpoison_stack_memory(uintptr_t begin, uintptr_t bytes) {
    mark(begin, bytes, 0);
    if (bytes % 8) *shadow_of(begin + bytes) = int8_t(bytes % 8);
}
#define SHADOW_RUN(BYTE)                                              \
    void __asan_set_shadow_##BYTE(uintptr_t begin, uintptr_t count) { \
        memset(reinterpret_cast<void*>(begin), 0x##BYTE, count);      \
    }
SHADOW_RUN(00)
SHADOW_RUN(f1)
SHADOW_RUN(f2)
SHADOW_RUN(f3)
SHADOW_RUN(f5)
SHADOW_RUN(f8)

}  // extern "C"
