// exchange.cuh: replica exchange between neighbouring rungs, even and odd pairs in turn (DEO: Okabe, Kawata, Okamoto,
// Mikami 2001; why the deterministic turn is better than a random one: Syed, Bouchard-Cote, Deligiannidis, Doucet,
// JRSS-B 2022). Temperatures change places, states stay.
#pragma once
#include "../layouts.cuh"
#include "../numeric.cuh"
#include "../streams.cuh"
namespace gq {

// After sweep t the pairs (r, r+1) with r = t mod 2, t mod 2 + 2, ... of each ladder are asked. With a the chain on the
// hotter rung and b on the colder, they change places when (beta_b - beta_a)(E_a - E_b) <= -log u.
// The draw of a pair stands at position = slot of its hotter rung. Pairs are disjoint: 32 slots are asked at once.
GQ void exchange(Ensemble& e, unsigned sweep, key seed) {
    const int rungs = e.rungs, end = e.first_chain + e.chains;
    int first_rung = 0;  // counted, because a GPU divides integers by way of approximate floats
    for (int begin = e.first_chain; begin < end; begin += 32, first_rung += 32) {
        vu word[4];
        philox(lane() + unsigned(begin), splat(sweep), splat(0u), splat(unsigned(EXCHANGE)), seed, word);
        const vf draw = neg_log_uniform(word[0]);
        const int count = end - begin < 32 ? end - begin : 32;
        while (first_rung >= rungs) first_rung -= rungs;
        vote(count, [&](int l) {
            const int slot = begin + l;
            int r = first_rung + l;
            while (r >= rungs) r -= rungs;
            if (r + 1 == rungs || ((unsigned(r) ^ sweep) & 1u)) return false;
            const int a = e.chain_at[slot], b = e.chain_at[slot + 1];
            if (!(e.gap[r] * rounded(e.energy[a] - e.energy[b]) <= mine(draw, l))) return false;
            e.chain_at[slot] = b;
            e.chain_at[slot + 1] = a;
            e.chain_temperature[b] = e.temperature[r];
            e.chain_temperature[a] = e.temperature[r + 1];
            add(&e.swaps[r], 1);
            return true;
        });
    }
}

// The flow of the replicas along their ladder (Katzgraber, Trebst, Huse, Troyer, J. Stat. Mech. P03018 (2006)): counts,
// at each rung r, the chains that were at the hottest rung last, log[2r], and at the coldest, log[2r + 1].
// memory: for each chain which of the two, 1 or 2; 0: neither yet.
GQ void count_flow(Ensemble& e) {
    const int rungs = e.rungs, end = e.first_chain + e.chains;
    int first_rung = 0;
    for (int begin = e.first_chain; begin < end; begin += 32, first_rung += 32) {
        while (first_rung >= rungs) first_rung -= rungs;
        each(end - begin < 32 ? end - begin : 32, [&](int l) {
            int r = first_rung + l;
            while (r >= rungs) r -= rungs;
            int32_t& from = e.memory[e.chain_at[begin + l]];
            if (r == 0) from = 1;
            if (r + 1 == rungs) from = 2;
            if (from) add(&e.log[2 * r + from - 1], 1);
        });
    }
}

}  // namespace gq
