// traffic.cpp: lanes of a warp that come to a place in the code for the k-th time are taken for one request. That is what
// a GPU does while the lanes run together, which here nobody does.
#include "traffic.hpp"
#include "checks.hpp"
#include "scheduler.hpp"
#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

namespace emulator::traffic {

namespace {

struct Note {
    uint32_t site, visit;
    uint16_t warp;
    uint8_t access;
    bool shared;
    uint32_t bytes;
    uintptr_t address;
};
struct Line {
    uint64_t requests = 0, lanes = 0, units = 0, least = 0;
};

std::vector<Note> notes;  // of the present block
std::map<std::pair<uint32_t, uint16_t>, uint32_t> visits;
std::map<std::tuple<uint32_t, bool, uint8_t>, Line> totals;

uint64_t ratio_up(uint64_t a, uint64_t b) { return std::max<uint64_t>(1, (a + b - 1) / b); }

void add(const Note* begin, const Note* end) {
    const uint32_t unit = begin->shared ? 4 : 32;
    std::set<uintptr_t> units, bytes;
    for (const Note* n = begin; n < end; ++n)
        for (uintptr_t at = n->address; at < n->address + n->bytes; ++at) {
            units.insert(at / unit);
            bytes.insert(at);
        }
    Line& line = totals[{begin->site, begin->shared, begin->access}];
    ++line.requests;
    line.lanes += uint64_t(end - begin);
    if (begin->shared) {
        uint64_t bank[32] = {};
        for (uintptr_t word : units) ++bank[word % 32];
        line.units += *std::max_element(bank, bank + 32);
        line.least += ratio_up(units.size(), 32);
    } else {
        line.units += units.size();
        line.least += ratio_up(bytes.size(), 32);
    }
}

}  // namespace

void begin_launch() {
    totals.clear();
    notes.clear();
    visits.clear();
}

void note(const Thread& thread, uintptr_t address, size_t bytes, unsigned access, uint32_t site, const Place& place) {
    // A region begins at a multiple of 256 bytes on a GPU; NumPy's arrays begin anywhere.
    const uintptr_t moved = (place.base & ~uintptr_t(255)) + (address - place.base);
    notes.push_back({site, visits[{site, uint16_t(thread.number)}]++, uint16_t(thread.warp), uint8_t(access),
                     place.space == Space::SHARED, uint32_t(bytes), moved});
}

void end_block() {
    auto key = [](const Note& n) { return std::tuple(n.warp, n.site, n.visit); };
    std::stable_sort(notes.begin(), notes.end(), [&](const Note& a, const Note& b) { return key(a) < key(b); });
    for (size_t i = 0, j; i < notes.size(); i = j) {
        for (j = i; j < notes.size() && key(notes[j]) == key(notes[i]);) ++j;
        add(notes.data() + i, notes.data() + j);
    }
    notes.clear();
    visits.clear();
}

std::string lines() {
    std::string text;
    for (const auto& [key, line] : totals) {
        const auto& [site, shared, access] = key;
        const char* const kind = access & checks::ATOMIC ? "atomic" : access & checks::WRITE ? "store" : "load";
        text += "traffic " + checks::source_of(site) +
                format(" %s %s %llu %llu %llu %llu\n", shared ? "shared" : "global", kind,
                       (unsigned long long)line.requests, (unsigned long long)line.lanes,
                       (unsigned long long)line.units, (unsigned long long)line.least);
    }
    return text;
}

}  // namespace emulator::traffic
