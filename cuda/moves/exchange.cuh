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
// The draw of a pair stands at position = slot of its hotter rung.
GQ void exchange(Ensemble& e, unsigned sweep, key seed) {
    for (int ladder = 0; ladder < e.chains; ladder += e.rungs) {
        float draw[32];
        int drawn = -1;
        for (int r = int(sweep & 1u); r + 1 < e.rungs; r += 2) {
            const int slot = ladder + r;
            if (slot >> 5 != drawn) {
                vu word[4];
                drawn = slot >> 5;
                philox(lane() + unsigned(drawn) * 32u, splat(sweep), splat(0u), splat(unsigned(EXCHANGE)), seed, word);
                store(draw, neg_log_uniform(word[0]));
            }
            const int a = e.chain_at[slot], b = e.chain_at[slot + 1];
            if (e.gap[r] * float(e.energy[a] - e.energy[b]) <= draw[slot & 31]) {
                e.chain_at[slot] = b;
                e.chain_at[slot + 1] = a;
                e.chain_temperature[b] = e.temperature[r];
                e.chain_temperature[a] = e.temperature[r + 1];
                ++e.swaps[r];
            }
        }
    }
}

}  // namespace gq
