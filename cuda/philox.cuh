// philox.cuh: Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw, SC 2011, "Parallel random numbers:
// as easy as 1, 2, 3"). Four words a call; checked against the published known-answer vectors.
#pragma once
#include "warp.cuh"
namespace gq {

struct key {
    unsigned low, high;
};

GQ void philox(vu c0, vu c1, vu c2, vu c3, key k, vu (&word)[4]) {
    for (int round = 0; round < 10; ++round) {
        vu high0, low0, high1, low1;
        mul_wide(0xD2511F53u, c0, high0, low0);
        mul_wide(0xCD9E8D57u, c2, high1, low1);
        c0 = high1 ^ c1 ^ k.low;
        c1 = low1;
        c2 = high0 ^ c3 ^ k.high;
        c3 = low0;
        k.low += 0x9E3779B9u;
        k.high += 0xBB67AE85u;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

}  // namespace gq
