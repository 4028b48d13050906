// nearer.cuh: copies in a block's shared memory of what its team reads and writes at every attempt.
#pragma once
#include "../ensemble.cuh"
namespace gq {

// Words given out from one end of a block's shared memory to the other. All threads of the block call it together.
struct NearMemory {
    uint32_t* next;
    // `count` words copied from `from`, at a multiple of 16 bytes.
    template <class T>
    GQ_MEMBER T* copy(T* from, int count) {
        uint32_t* const to = next;
        for (int i = int(threadIdx.x); i < count; i += int(blockDim.x))
            to[i] = reinterpret_cast<const uint32_t*>(from)[i];
        next += (count + 3) & ~3;
        return reinterpret_cast<T*>(to);
    }
};

// Sweeps of LANE, the problem and its chains' bits in shared memory.
template <int STRATEGY, int WORDS>
GQ void advance_near(Ensemble& e, int sweeps, uint32_t* shared) {
    Problem p = e.problem;
    const int n = p.n, groups = (warps(e) + WORDS - 1) / WORDS;
    NearMemory memory = {shared};
    p.weights = memory.copy(static_cast<const int32_t*>(p.weights), 2 * e.problem.ends[n - 1]);
    p.base = memory.copy(p.base, n);
    p.ends = memory.copy(p.ends, n);
    if constexpr (STRATEGY != LANE_NEIGHBOUR) p.members = memory.copy(p.members, p.num_members);
    uint32_t* const spins = memory.next;
    for (int w = team_rank(); w < WORDS * groups; w += team_size()) {
        const uint32_t* const from = own_spins(e) + int64_t(w) * n;
        uint32_t* const to = spins + (w / WORDS) * (WORDS * n) + w % WORDS;
        each(n, [&](int v) { to[WORDS * v] = w < warps(e) ? from[v] : 0; });
    }
    team_sync();
    advance<STRATEGY, WORDS>(e, sweeps, p, spins);
    for (int w = team_rank(); w < warps(e); w += team_size()) {
        uint32_t* const to = own_spins(e) + int64_t(w) * n;
        const uint32_t* const from = spins + (w / WORDS) * (WORDS * n) + w % WORDS;
        each(n, [&](int v) { to[v] = from[WORDS * v]; });
    }
    team_sync();
}

}  // namespace gq
