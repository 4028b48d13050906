#include "regions.hpp"
#include "fibers.hpp"
#include "state.hpp"
#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <vector>

namespace emulator {

namespace {

std::vector<Region> given, shared, variables;  // sorted by where they begin
Region dynamic;
const Region* last = nullptr;  // most accesses fall where the one before fell

bool holds(const Region& r, uintptr_t address, size_t bytes) { return address >= r.begin && address + bytes <= r.end; }

const Region* find(const std::vector<Region>& regions, uintptr_t address, size_t bytes) {
    auto after = std::upper_bound(regions.begin(), regions.end(), address,
                                  [](uintptr_t a, const Region& r) { return a < r.begin; });
    if (after == regions.begin() || !holds(*--after, address, bytes)) return nullptr;
    return &*after;
}

int note_segments(dl_phdr_info* info, size_t, void*) {
    if (info->dlpi_addr != library_base()) return 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& segment = info->dlpi_phdr[i];
        const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
        if (segment.p_type == PT_LOAD)
            variables.push_back({begin, begin + segment.p_memsz, int32_t(segment.p_flags & PF_W)});
    }
    return 1;
}

}  // namespace

uintptr_t library_base() {
    static const uintptr_t base = [] {
        Dl_info here;
        return dladdr(&machine, &here) ? reinterpret_cast<uintptr_t>(here.dli_fbase) : 0;
    }();
    return base;
}

void set_regions(const Region* given_from, size_t given_count, const Region* shared_from, size_t shared_count) {
    last = nullptr;
    given.assign(given_from, given_from + given_count);
    shared.assign(shared_from, shared_from + shared_count);
    for (Region& r : shared) r = {r.begin + library_base(), r.end + library_base(), 1};
    if (variables.empty()) dl_iterate_phdr(note_segments, nullptr);
}

void set_dynamic_shared(char* begin, size_t bytes) {
    dynamic = {reinterpret_cast<uintptr_t>(begin), reinterpret_cast<uintptr_t>(begin) + bytes, 1};
}

bool is_local(uintptr_t address) {
    return (address >= uintptr_t(stacks_begin()) && address < uintptr_t(stacks_end())) ||
           (address >= uintptr_t(&machine) && address < uintptr_t(&machine + 1));
}

Place locate(uintptr_t address, size_t bytes) {
    if (is_local(address)) return {Space::LOCAL, true, 0};
    if (holds(dynamic, address, bytes)) return {Space::SHARED, true, dynamic.begin};
    if (last && holds(*last, address, bytes)) return {Space::GLOBAL, last->writable != 0, last->begin};
    if (const Region* r = find(given, address, bytes)) {
        last = r;
        return {Space::GLOBAL, r->writable != 0, r->begin};
    }
    if (const Region* r = find(shared, address, bytes)) return {Space::SHARED, true, r->begin};
    for (const Region& r : variables)
        if (holds(r, address, bytes)) return {Space::VARIABLE, r.writable != 0, r.begin};
    return {Space::NOWHERE, false, 0};
}

void spoil_shared() {
    memset(reinterpret_cast<void*>(dynamic.begin), 0xff, dynamic.end - dynamic.begin);
    for (const Region& r : shared) memset(reinterpret_cast<void*>(r.begin), 0xff, r.end - r.begin);
}

}  // namespace emulator
