// races.cpp: two accesses to a byte, one of them a write, not both atomic, and neither ordered before the other.
//
// Every word of memory remembers up to four accesses. One is forgotten when a later one says at least as much: whatever
// is unordered with the earlier is then unordered with the later too, and would conflict with it.
#include "checks.hpp"
#include "order.hpp"
#include "regions.hpp"
#include "scheduler.hpp"
#include "traffic.hpp"
#include <algorithm>
#include <dlfcn.h>
#include <memory>
#include <set>
#include <tuple>
#include <unordered_map>

namespace emulator::checks {

namespace {

constexpr size_t MOST_FINDINGS = 20;

struct Past {
    uint32_t epoch, clock, site;
    uint16_t thread;
    uint8_t bytes, access;  // a bit for each of the word's bytes; 0: none

    order::Moment when() const { return {epoch, clock, thread}; }
};
struct Word {
    Past past[4];
    uint32_t first_epoch;  // shared memory: the block in which it was last used
    uint8_t written;       // shared memory: the bytes that the block has written
    uint8_t oldest;
};
struct Page {
    Word word[1024];
};

Settings settings;
std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
uintptr_t last_number;
Page* last_page;
Random random_access;
uint32_t block_stamp;
std::string found;
size_t count;
std::set<std::tuple<std::string, uint32_t, uint32_t>> said;

Word& word_at(uintptr_t address) {
    const uintptr_t number = address >> 12;
    if (!last_page || number != last_number) {
        auto& page = pages[number];
        if (!page) page = std::make_unique<Page>();  // zeros
        last_page = page.get();
        last_number = number;
    }
    return last_page->word[address >> 2 & 1023];
}

std::string who(const Past& p) {
    return format("thread %u of block %llu at ", p.thread, (unsigned long long)order::block_of(p.when())) +
           source_of(p.site);
}

void say(const std::string& what, const Past& now, const Past* earlier) {
    if (!said.insert({what, earlier ? earlier->site : 0, now.site}).second || ++count > MOST_FINDINGS) return;
    found += what + ": " + (earlier ? who(*earlier) + ", then " : "") + who(now) + "\n";
}

bool conflict(const Past& a, const Past& b) {
    return a.bytes & b.bytes && (a.access | b.access) & WRITE && !(a.access & b.access & ATOMIC);
}

const char* kind(const Past& earlier, const Past& now) {
    if (!(now.access & WRITE)) return "read after write";
    return earlier.access & WRITE ? "write after write" : "write after read";
}

bool forgettable(const Past& old, const Past& now, const Thread& thread) {
    return !(old.bytes & ~now.bytes) && (now.access & WRITE || !(old.access & WRITE)) &&
           (old.access & ATOMIC || !(now.access & ATOMIC)) && order::before(old.when(), thread);
}

void visit(Word& word, const Past& now, const Thread& thread, bool shared) {
    if (shared && word.first_epoch != block_stamp) {  // left over from another block, whose memory it was
        word = {};
        word.first_epoch = block_stamp;
    }
    const char* const space = shared ? "shared" : "global";
    Past* place = nullptr;
    for (Past& old : word.past) {
        if (old.access && conflict(old, now) && !order::before(old.when(), thread))
            say(format("race on %s memory (%s)", space, kind(old, now)), now, &old);
        if (old.access && forgettable(old, now, thread)) old.access = 0;
        if (!old.access && !place) place = &old;
    }
    if (!place) place = &word.past[word.oldest++ % 4];
    *place = now;
    if (!shared) return;
    if (now.access & READ && now.bytes & ~word.written) say("read of uninitialised shared memory", now, nullptr);
    if (now.access & WRITE) word.written |= now.bytes;
}

}  // namespace

void begin_launch(const Settings& with) {
    settings = with;
    pages.clear();
    last_page = nullptr;
    found.clear();
    said.clear();
    count = 0;
    random_access.seed(with.seed, ~uint64_t(0));
    order::begin_launch();
    traffic::begin_launch();
}

void begin_block(uint64_t block) {
    if (!settings.races) return;
    ++block_stamp;
    order::begin_block(block);
}
void end_block() {
    if (settings.profile) traffic::end_block();
}
void block_barrier() {
    if (settings.races) order::block_barrier();
}
void warp_barrier(unsigned warp, unsigned lanes) {
    if (settings.races) order::warp_barrier(warp, lanes);
}
void fence() {
    if (settings.races) order::fence(*machine.running);
}

std::string findings() {
    return found + (count > MOST_FINDINGS ? format("and %zu more\n", count - MOST_FINDINGS) : "");
}

void race_access(uintptr_t address, size_t bytes, unsigned access, void* code) {
    if (!machine.running || is_local(address)) return;
    if (settings.preempt && random_access() % settings.preempt == 0) yield();
    const Thread& thread = *machine.running;
    const Place place = bounds_access(address, bytes, access & WRITE, code);
    const uint32_t site = number_of(code);
    if (settings.profile) traffic::note(thread, address, bytes, access, site, place);
    if (access & ATOMIC && access & READ) order::learn(thread, address);
    const order::Moment when = order::now(thread);
    for (uintptr_t word = address & ~uintptr_t(3); word < address + bytes; word += 4) {
        const unsigned from = word < address ? unsigned(address - word) : 0;
        const unsigned to = unsigned(std::min<uintptr_t>(4, address + bytes - word));
        const uint8_t mask = uint8_t((1u << to) - (1u << from));
        visit(word_at(word), {when.epoch, when.clock, site, when.thread, mask, uint8_t(access)}, thread,
              place.space == Space::SHARED);
    }
    if (access & ATOMIC && access & WRITE) order::publish(thread, address);
}

Place bounds_access(uintptr_t address, size_t bytes, bool write, void* code) {
    const Place place = locate(address, bytes);
    const char* const what = write ? "write" : "read";
    if (place.space == Space::NOWHERE)
        fail(format("out-of-bounds %s of %zu bytes at %#zx, ", what, bytes, size_t(address)) +
             source_of(number_of(code)) + ", by " + emulator::place());
    if (write && !place.writable)
        fail("write to memory that was passed as const, " + source_of(number_of(code)) + ", by " + emulator::place());
    return place;
}

std::string source_of(uint32_t site) { return format("<pc:%x>", site); }

uint32_t number_of(void* code) { return uint32_t(reinterpret_cast<uintptr_t>(code) - library_base() - 1); }

}  // namespace emulator::checks
