// warps.cpp: the meetings of a warp's lanes. A lane leaves what it gives and waits; the last one named by the mask works
// out every lane's result. Meetings of separate masks of one warp may be under way at once.
#include "checks.hpp"
#include "scheduler.hpp"
#include <algorithm>

namespace emulator {

namespace {

struct Warp {
    unsigned exited, waiting;  // lanes
};
Warp warps[MOST_THREADS / WARP];

// What CUDA leaves undefined is made visible: a NaN as a float, far out of range as an integer.
constexpr uint64_t UNDEFINED = 0xfff7dead7ff7dead;

template <class Act>
void each(unsigned lanes, Act act) {
    for (; lanes; lanes &= lanes - 1) act(unsigned(__builtin_ctz(lanes)));
}

uint32_t reduced(Operation operation, uint32_t a, uint32_t b) {
    switch (operation) {
        case REDUCE_ADD:
            return a + b;
        case REDUCE_MIN:
            return std::min(a, b);
        case REDUCE_MAX:
            return std::max(a, b);
        case REDUCE_MIN_SIGNED:
            return uint32_t(std::min(int32_t(a), int32_t(b)));
        case REDUCE_MAX_SIGNED:
            return uint32_t(std::max(int32_t(a), int32_t(b)));
        case REDUCE_AND:
            return a & b;
        case REDUCE_OR:
            return a | b;
        default:
            return a ^ b;
    }
}

void work_out(Operation operation, Thread* lane, unsigned lanes) {
    unsigned said = 0;
    each(lanes, [&](unsigned l) { said |= unsigned(lane[l].given != 0) << l; });
    switch (operation) {
        case SYNCWARP:
            return;
        case SHFL:
        case SHFL_XOR:
        case SHFL_UP:
        case SHFL_DOWN:
            return each(lanes, [&](unsigned l) {
                const unsigned source = lane[l].source;
                lane[l].result = source < WARP && lanes >> source & 1 ? lane[source].given : UNDEFINED;
            });
        case BALLOT:
            return each(lanes, [&](unsigned l) { lane[l].result = said; });
        case ANY:
            return each(lanes, [&](unsigned l) { lane[l].result = said != 0; });
        case ALL:
            return each(lanes, [&](unsigned l) { lane[l].result = said == lanes; });
        case MATCH_ANY:
            return each(lanes, [&](unsigned l) {
                lane[l].result = 0;
                each(lanes, [&](unsigned k) { lane[l].result |= unsigned(lane[k].given == lane[l].given) << k; });
            });
        default: {
            const unsigned first = unsigned(__builtin_ctz(lanes));
            uint32_t total = uint32_t(lane[first].given);
            each(lanes & (lanes - 1), [&](unsigned l) { total = reduced(operation, total, uint32_t(lane[l].given)); });
            each(lanes, [&](unsigned l) { lane[l].result = total; });
        }
    }
}

void meet(const Thread& last) {
    Warp& warp = warps[last.warp];
    Thread* const lane = machine.thread + last.warp * WARP;
    const unsigned lanes = last.mask;
    each(lanes, [&](unsigned l) {
        if (lane[l].at != last.at || lane[l].mask != lanes || lane[l].bytes != last.bytes)
            fail(format("warp divergence: lane %u is at ", last.lane) + describe(last) + format(", lane %u at ", l) +
                 describe(lane[l]) + ": " + place());
    });
    work_out(last.at, lane, lanes);
    ++counts.at[last.at];
    if (last.at == SYNCWARP) checks::warp_barrier(last.warp, lanes);
    warp.waiting &= ~lanes;
    wake(last.warp * WARP, WARP, lanes);
}

void must_not_be_missed(const Thread& waiting, unsigned gone) {
    if (waiting.mask & gone)
        fail(format("lane %d has exited, or does not exist, but lane %u waits for it in ",
                    __builtin_ctz(waiting.mask & gone), waiting.lane) +
             describe(waiting) + ": " + place());
}

}  // namespace

void begin_warps() {
    for (unsigned w = 0; w * WARP < machine.threads; ++w) {
        const unsigned lanes = std::min(WARP, machine.threads - w * WARP);
        warps[w] = {lanes == WARP ? 0u : ~0u << lanes, 0u};
    }
}

uint64_t wait_warp(Operation operation, unsigned mask, uint64_t given, uint8_t bytes, unsigned source, const char* file,
                   int line) {
    Thread& me = arrive(operation, mask, given, bytes, source, file, line);
    Warp& warp = warps[me.warp];
    if (!(mask >> me.lane & 1))
        fail(format("lane %u is not in its own mask: ", me.lane) + describe(me) + ": " + place());
    must_not_be_missed(me, warp.exited);
    warp.waiting |= 1u << me.lane;
    if ((warp.waiting & mask) == mask) meet(me);
    leave();
    return me.result;
}

void leave_warp(Thread& thread) {
    Warp& warp = warps[thread.warp];
    warp.exited |= 1u << thread.lane;
    each(warp.waiting,
         [&](unsigned l) { must_not_be_missed(machine.thread[thread.warp * WARP + l], 1u << thread.lane); });
}

}  // namespace emulator
