// cluster.cuh: Metropolis, replica exchange, and isoenergetic cluster moves between ladders (Zhu, Ochoa, Katzgraber,
// PRL 115, 077201 (2015), after Houdayer, Eur. Phys. J. B 22, 479 (2001)), lane = chain, and then lane = pair of chains.
//
// A pair stands at the same rung of two ladders. From a random variable in which its two states differ, a cluster grows:
// every term with a variable of it takes in all its other variables that differ. Then the two states exchange their bits
// within the cluster. A term that the cluster touches has no other variables that differ, so the two merely exchange its
// values: the sum of their energies stays, whatever the term is. They differ in the same variables as before, so the
// way back is as likely, and at one temperature the move is always accepted.
//
// Where the inverse of a state has its energy (spins in terms of even degree), states of opposite sign differ nearly
// everywhere, and their cluster is nearly everything. So a pair that differs in more than half of the variables takes
// its cluster from those in which it does not. A cluster of all of either would exchange the two states, or their
// inverses, and is left alone.
//
// A sweep is Metropolis, clusters, exchange; the best states are asked after each of the first two. After sweep t ladder
// (2i + t mod 2) mod ladders meets the next one, at the coldest rungs; pair i x layers + (rung above the first of them)
// draws at position 0 with its number in the chain's place, the word's share of the differing variables says which.
//
// option: layers (how many rungs), ladders, whether states may be inverted.
// memory: ClusterMemory; an ensemble with this move has all its ladders in one part.
#pragma once
#include "../ensemble.cuh"
namespace gq {

// For each 32 pairs: words of a variable's bits, the queue of variables whose new bits the neighbours have not seen, and
// who is paired. For each 32 chains: words of bits to be flipped, and the number of each one's pair, from 1; 0: none.
struct ClusterMemory {
    int n, pairs;
    int32_t *start, *of_chains;
    GQ_MEMBER explicit ClusterMemory(const Ensemble& e) : n(e.problem.n), pairs((e.option[1] >> 1) * e.option[0]) {
        start = e.memory;
        of_chains = start + int64_t(groups()) * (4 * n + 64);
    }
    GQ_MEMBER int groups() const { return (pairs + 31) >> 5; }
    GQ_MEMBER uint32_t* differing(int group) const {
        return reinterpret_cast<uint32_t*>(start + int64_t(group) * (4 * n + 64));
    }
    GQ_MEMBER uint32_t* cluster(int group) const { return differing(group) + n; }
    GQ_MEMBER uint32_t* fresh(int group) const { return differing(group) + 2 * n; }
    GQ_MEMBER int32_t* queue(int group) const { return start + int64_t(group) * (4 * n + 64) + 3 * n; }
    GQ_MEMBER int32_t* paired(int group) const { return queue(group) + n; }  // 32 chains, and 32 more
    GQ_MEMBER uint32_t* flipped(int warp) const {
        return reinterpret_cast<uint32_t*>(of_chains + int64_t(warp) * (n + 32));
    }
    GQ_MEMBER int32_t& pair_of(int chain) const { return of_chains[int64_t(chain >> 5) * (n + 32) + n + (chain & 31)]; }
};

GQ void pair_up(Ensemble& e, const ClusterMemory& memory, int sweep) {
    const int rungs = e.rungs, layers = e.option[0], ladders = e.option[1];
    int ladder = 0, first_rung = 0;  // counted, because a GPU divides integers by way of approximate floats
    for (int begin = 0; begin < e.chains; begin += 32, first_rung += 32) {
        for (; first_rung >= rungs; first_rung -= rungs) ++ladder;
        each(e.chains - begin < 32 ? e.chains - begin : 32, [&](int l) {
            int at = ladder, rung = first_rung + l;
            for (; rung >= rungs; rung -= rungs) ++at;
            at -= sweep & 1;
            if (at < 0) at += ladders;
            const int chain = e.chain_at[begin + l], layer = rung - (rungs - layers);
            const bool alone = layer < 0 || (at | 1) >= ladders;
            const int pair = (at >> 1) * layers + layer;
            memory.pair_of(chain) = alone ? 0 : pair + 1;
            if (!alone) memory.paired(pair >> 5)[32 * (at & 1) + (pair & 31)] = chain;
        });
    }
}

template <int STRATEGY>
GQ int members_before(const Problem& p, int variable) {
    const int entry = first_entry(p, variable);
    return STRATEGY == LANE_NEIGHBOUR ? entry : first_member(p, entry);
}
template <int STRATEGY>
GQ int member(const Problem& p, int place) {
    return STRATEGY == LANE_NEIGHBOUR ? static_cast<const int32_t*>(p.weights)[2 * place + 1] : p.members[place];
}

// The clusters of 32 pairs.
template <int STRATEGY>
GQ void grow_clusters(Ensemble& e, const Problem& p, const ClusterMemory& memory, int group, int sweep) {
    const int n = p.n, count = memory.pairs - 32 * group < 32 ? memory.pairs - 32 * group : 32;
    uint32_t *const differing = memory.differing(group), *const cluster = memory.cluster(group);
    uint32_t* const fresh = memory.fresh(group);
    int32_t *const queue = memory.queue(group), *const paired = memory.paired(group);
    each(n, [&](int v) { differing[v] = cluster[v] = fresh[v] = 0; });
    for (int l = 0; l < count; ++l) {
        const int a = paired[l], b = paired[32 + l];
        const uint32_t *const one = e.spins + int64_t(a >> 5) * n, *const other = e.spins + int64_t(b >> 5) * n;
        each(n, [&](int v) { differing[v] |= (((one[v] >> (a & 31)) ^ (other[v] >> (b & 31))) & 1u) << l; });
    }
    vi size = splat(0);
    for (int v = 0; v < n; ++v) size = size + keep(spread(differing[v]), splat(1));
    if (e.option[2]) {
        const unsigned inverted = ballot(size + size > splat(n)) & lower_bits(count);
        each(n, [&](int v) { differing[v] ^= inverted; });
        size = plus_minus(keep(spread(inverted), splat(n)), spread(inverted), size);
    }

    vu word[4];
    philox(splat(0u), splat(unsigned(sweep)), lane() + 32u * group, splat(unsigned(CLUSTER)), seed_of(e), word);
    each(32, [&](int l) { paired[l] = int(uint64_t(mine(word[0], l)) * unsigned(mine(size, l)) >> 32); });
    vi left = load(paired);  // differing variables before the one that is meant; their chains have been read

    int head = 0, tail = 0, waiting = 0;
    const auto join = [&](int v, unsigned bits) {
        const bool queued = fresh[v];
        each(1, [&](int) {
            differing[v] ^= bits;
            cluster[v] |= bits;
            fresh[v] |= bits;
            if (!queued) queue[tail] = v;
        });
        if (queued) return;
        tail = tail + 1 == n ? 0 : tail + 1;
        ++waiting;
    };
    for (int v = 0; v < n; ++v) {
        const unsigned bits = differing[v], chosen = ballot(left == 0) & bits;
        left = left + keep(spread(bits), splat(-1));
        if (chosen) join(v, chosen);
    }
    for (; waiting; --waiting) {
        const int v = queue[head], end = members_before<STRATEGY>(p, v + 1);
        const unsigned bits = fresh[v];
        head = head + 1 == n ? 0 : head + 1;
        put(&fresh[v], 0u);
        for (int m = members_before<STRATEGY>(p, v); m < end; m += 32) {
            unsigned touched = vote(end - m < 32 ? end - m : 32,
                                    [&](int l) { return (differing[member<STRATEGY>(p, m + l)] & bits) != 0; });
            for (; touched; touched &= touched - 1) {
                const int u = member<STRATEGY>(p, m + first(touched));
                if (const unsigned more = differing[u] & bits) join(u, more);  // a neighbour may be named twice
            }
        }
    }
    unsigned partial = 0;  // pairs of which something is left
    for (int v = 0; v < n; ++v) partial |= differing[v];
    each(n, [&](int v) { cluster[v] &= partial; });
}

// Flips 32 chains' bits in the clusters of their pairs; returns how many. Energies follow from the flips, one by one.
template <int STRATEGY>
GQ int64_t flip_clusters(Ensemble& e, const Problem& p, const ClusterMemory& memory, uint32_t* spins, int warp) {
    uint32_t* const flipped = memory.flipped(warp);
    each(p.n, [&](int v) { flipped[v] = 0; });
    for (int l = 0; l < chains_of(e, warp); ++l) {
        const int pair = memory.pair_of(32 * warp + l) - 1;
        if (pair < 0) continue;
        const uint32_t* const cluster = memory.cluster(pair >> 5);
        each(p.n, [&](int v) { flipped[v] |= ((cluster[v] >> (pair & 31)) & 1u) << l; });
    }
    int64_t flips = 0;
    for (int v = 0; v < p.n; ++v) {
        const unsigned hit = flipped[v];
        if (!hit) continue;
        const auto rise = negate_if(spread(spins[v]), lane_gain<STRATEGY>(p, v, spins));
        lane_flip<STRATEGY>(p, v, spins, hit);
        add_each(e.energy + 32 * warp, keep(spread(hit), rise));
        flips += population(hit);
    }
    return flips;
}

// CLUSTER.
template <int STRATEGY>
GQ void advance_cluster(Ensemble& e, int sweeps) {
    const ClusterMemory memory(e);
    const auto all = [&](int sweep) {
        if (team_rank() == 0) pair_up(e, memory, sweep);
        sweep_lanes<STRATEGY, 1>(e, sweep, e.problem, own_spins(e));
        team_sync();
        const Problem problem = e.problem;
        for (int group = team_rank(); group < memory.groups(); group += team_size())
            grow_clusters<STRATEGY>(e, problem, memory, group, sweep);
        team_sync();
        each_warp_of_lanes(e, [&](const Problem& p, uint32_t* spins, int w) {
            return flip_clusters<STRATEGY>(e, p, memory, spins, w);
        });
    };
    advance_by(e, sweeps, all, [&](int sweep) { exchange_rungs(e, sweep); });
}

}  // namespace gq
