// entry.cpp: a launch, as Python asks for it.
#include "checks.hpp"
#include "hooks_asan.hpp"
#include "regions.hpp"
#include "scheduler.hpp"
#include "traffic.hpp"
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace emulator {

namespace {

struct Launch {
    void (*kernel)(void**);
    void** arguments;
    uint32_t grid[3], block[3];
    uint64_t dynamic_shared;
    int32_t order;
    uint32_t preempt;
    uint64_t seed;
    int32_t races, red_zones, profile;
    const Region* given;
    uint64_t given_count;
    const Region* shared;
    uint64_t shared_count;
};

// CuPy compiles with -ftz=true, whatever is asked for.
struct FlushSubnormals {
#if defined(__x86_64__)
    unsigned saved = _mm_getcsr();
    FlushSubnormals() { _mm_setcsr(saved | 0x8040u); }
    ~FlushSubnormals() { _mm_setcsr(saved); }
#else
    uint64_t saved;
    FlushSubnormals() {
        asm volatile("mrs %0, fpcr" : "=r"(saved));
        asm volatile("msr fpcr, %0" ::"r"(saved | (uint64_t(1) << 24)));
    }
    ~FlushSubnormals() { asm volatile("msr fpcr, %0" ::"r"(saved)); }
#endif
};

std::vector<uint64_t> block_order(uint64_t count, Order order, uint64_t seed) {
    std::vector<uint64_t> blocks(count);
    for (uint64_t i = 0; i < count; ++i) blocks[i] = order == REVERSE ? count - 1 - i : i;
    Random random;
    random.seed(seed, count);
    for (uint64_t i = count; order == RANDOM && i > 1; --i) std::swap(blocks[i - 1], blocks[random() % i]);
    return blocks;
}

void run(const Launch& l) {
    const uint32_t *g = l.grid, *b = l.block;
    machine.grid = {g[0], g[1], g[2]};
    machine.block = {b[0], b[1], b[2]};
    constexpr size_t LINE = 256;
    std::unique_ptr<char, void (*)(void*)> dynamic(
        static_cast<char*>(aligned_alloc(LINE, (l.dynamic_shared + LINE) / LINE * LINE)), free);
    machine.dynamic_shared = dynamic.get();
    set_regions(l.given, l.given_count, l.shared, l.shared_count);
    set_dynamic_shared(dynamic.get(), l.dynamic_shared);
    checks::begin_launch({l.races != 0, l.profile != 0, l.preempt, l.seed});
    begin_launch(Order(l.order));
    if (l.red_zones) asan::prepare();
    FlushSubnormals mode;
    for (uint64_t block : block_order(uint64_t(g[0]) * g[1] * g[2], Order(l.order), l.seed)) {
        machine.block_index = {unsigned(block % g[0]), unsigned(block / g[0] % g[1]), unsigned(block / g[0] / g[1])};
        spoil_shared();
        checks::begin_block(block);
        run_block(block, l.seed, l.kernel, l.arguments);
        checks::end_block();
    }
}

std::string statistics_text, error_text;

void describe_launch() {
    statistics_text = format("switches %llu\n", (unsigned long long)counts.switches);
    for (int i = 0; i < OPERATIONS; ++i)
        if (counts.at[i]) statistics_text += format("met %s %llu\n", names[i], (unsigned long long)counts.at[i]);
    statistics_text += traffic::lines();
}

}  // namespace

}  // namespace emulator

using namespace emulator;
#define ENTRY extern "C" __attribute__((visibility("default")))

// Null if all went well, else what went wrong. Both texts hold until the next launch.
ENTRY const char* emulator_launch(const Launch* launch) {
    error_text.clear();
    try {
        run(*launch);
    } catch (const Failure& failure) {
        error_text = failure.text + "\n";
    } catch (const std::exception& error) {
        error_text = std::string(error.what()) + "\n";
    }
    machine.running = nullptr;
    error_text += checks::findings();
    describe_launch();
    return error_text.empty() ? nullptr : error_text.c_str();
}

ENTRY const char* emulator_statistics() { return statistics_text.c_str(); }
