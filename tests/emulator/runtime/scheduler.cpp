#include "scheduler.hpp"
#include "checks.hpp"
#include "fibers.hpp"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <vector>

namespace emulator {

Machine machine;
Counts counts;

const char* const names[OPERATIONS] = {
    "running",
    "__syncthreads",
    "__syncthreads_count",
    "__syncthreads_and",
    "__syncthreads_or",
    "__syncwarp",
    "__shfl_sync",
    "__shfl_xor_sync",
    "__shfl_up_sync",
    "__shfl_down_sync",
    "__ballot_sync",
    "__any_sync",
    "__all_sync",
    "__match_any_sync",
    "__reduce_add_sync",
    "__reduce_min_sync",
    "__reduce_max_sync",
    "__reduce_min_sync",
    "__reduce_max_sync",
    "__reduce_and_sync",
    "__reduce_or_sync",
    "__reduce_xor_sync",
    "exited",
};

namespace {

// The threads that can run, in a ring.
struct Ready {
    unsigned ring[MOST_THREADS], head = 0, count = 0;
    void push(unsigned thread) { ring[(head + count++) % MOST_THREADS] = thread; }
    unsigned pop(unsigned which) {
        std::swap(ring[(head + which) % MOST_THREADS], ring[head]);
        const unsigned thread = ring[head];
        head = (head + 1) % MOST_THREADS;
        --count;
        return thread;
    }
};

Ready ready;
Order order;
Random random_thread;
unsigned alive, arrived;  // threads of the block; those at its barrier
uint64_t idle;            // turns given away since anything last happened
void* host;               // where run_block waits
std::string failure;
void (*kernel)(void**);
void** arguments;

constexpr uint64_t IN_VAIN = 1000000;

Thread& next() { return machine.thread[ready.pop(order == RANDOM ? unsigned(random_thread() % ready.count) : 0)]; }

[[noreturn]] void to_host() {
    void* gone;
    emulator_switch(&gone, host);
    __builtin_unreachable();
}

void resume(Thread& thread, void** save) {
    ++counts.switches;
    machine.running = &thread;
    emulator_switch(save, thread.stack_pointer);
}

[[noreturn]] void deadlock() {
    std::string text = "deadlock: no thread can go on";
    for (unsigned i = 0; i < machine.threads;) {
        const std::string what = describe(machine.thread[i]);
        unsigned end = i + 1;
        while (end < machine.threads && describe(machine.thread[end]) == what) ++end;
        text += end == i + 1 ? format("\n  thread %u: ", i) : format("\n  threads %u to %u: ", i, end - 1);
        text += what;
        i = end;
    }
    fail(text);
}

void open_barrier() {
    const Thread* first = nullptr;
    uint64_t sum = 0;
    for (unsigned i = 0; i < machine.threads; ++i) {
        const Thread& thread = machine.thread[i];
        if (thread.at == EXITED) continue;
        if (!first) first = &thread;
        if (thread.at != first->at || thread.line != first->line)
            fail(format("barrier divergence: thread %u is at ", first->number) + describe(*first) +
                 format(", thread %u at ", thread.number) + describe(thread));
        sum += thread.given;
    }
    const uint64_t result = first->at == SYNCTHREADS_AND ? sum == alive : first->at == SYNCTHREADS_OR ? sum != 0 : sum;
    for (unsigned i = 0; i < machine.threads; ++i) machine.thread[i].result = result;
    ++counts.at[first->at];
    arrived = 0;
    checks::block_barrier();
    wake(0, machine.threads, ~0u);
}

void finish_thread() {
    Thread& me = *machine.running;
    me.at = EXITED;
    --alive;
    leave_warp(me);
    if (alive && arrived == alive) open_barrier();
    if (!alive) to_host();
    if (!ready.count) deadlock();
    resume(next(), &me.stack_pointer);
}

void entry() {
    kernel(arguments);
    finish_thread();
    __builtin_unreachable();
}

}  // namespace

void begin_launch(Order launch_order) {
    order = launch_order;
    counts = {};
    const unsigned width = machine.block.x, height = machine.block.y;
    machine.threads = width * height * machine.block.z;
    make_stacks(machine.threads);
    for (unsigned i = 0; i < machine.threads; ++i) {
        Thread& thread = machine.thread[i];
        thread.stack = stack_of(i);
        thread.index = {i % width, i / width % height, i / (width * height)};
        thread.number = i;
        thread.lane = i % WARP;
        thread.warp = i / WARP;
    }
}

void run_block(uint64_t block, uint64_t seed, void (*run)(void**), void** with) {
    kernel = run;
    arguments = with;
    random_thread.seed(seed, block);
    ready = {};
    arrived = 0;
    idle = 0;
    alive = machine.threads;
    failure.clear();
    for (unsigned i = 0; i < machine.threads; ++i) {
        machine.thread[i].at = RUNNING;
        machine.thread[i].stack_pointer = fresh_stack(i, entry);
    }
    begin_warps();
    wake(0, machine.threads, ~0u);
    resume(next(), &host);
    machine.running = nullptr;
    if (!failure.empty()) throw Failure{failure};
}

Thread& arrive(Operation operation, unsigned mask, uint64_t given, uint8_t bytes, unsigned source, const char* file,
               int line) {
    Thread& me = *machine.running;
    me.at = operation;
    me.mask = mask;
    me.given = given;
    me.bytes = bytes;
    me.source = source;
    me.file = file;
    me.line = line;
    idle = 0;
    return me;
}

void leave() {
    Thread& me = *machine.running;
    if (!ready.count) deadlock();
    Thread& other = next();
    if (&other != &me) resume(other, &me.stack_pointer);
}

void wake(unsigned first, unsigned count, unsigned lanes) {
    const unsigned end = std::min(first + count, machine.threads);
    for (unsigned k = 0; k < end - first; ++k) {
        Thread& thread = machine.thread[order == REVERSE ? end - 1 - k : first + k];
        if (thread.at == EXITED || !(lanes >> thread.lane & 1)) continue;
        thread.at = RUNNING;
        ready.push(thread.number);
    }
}

void yield() {
    if (!ready.count) return;
    ready.push(machine.running->number);
    leave();
}

uint64_t wait_block(Operation operation, uint64_t given, const char* file, int line) {
    Thread& me = arrive(operation, ~0u, given, 0, 0, file, line);
    if (++arrived == alive) open_barrier();
    leave();
    return me.result;
}

void give_way() {
    if (++idle > IN_VAIN) fail("a thread waits in vain: " + place() + " keeps trying, and no thread of its block acts");
    yield();
}

void fence() { checks::fence(); }

void stop(const char* why, const char* file, int line) {
    fail(std::string(why) + " by " + place() + format(" at %s:%d", file, line));
}

void fail(std::string message) {
    failure = std::move(message);
    to_host();
}

std::string describe(const Thread& thread) {
    if (thread.at == RUNNING || thread.at == EXITED) return names[thread.at];
    std::string text = names[thread.at];
    if (thread.at >= SYNCWARP) text += format("(%08x)", thread.mask);
    return text + format(" at %s:%d", thread.file, thread.line);
}

std::string place() {
    const uint3 t = machine.running->index, b = machine.block_index;
    return format("thread (%u,%u,%u) of block (%u,%u,%u)", t.x, t.y, t.z, b.x, b.y, b.z);
}

std::string format(const char* pattern, ...) {
    char text[512];
    va_list values;
    va_start(values, pattern);
    vsnprintf(text, sizeof text, pattern, values);
    va_end(values);
    return text;
}

}  // namespace emulator
