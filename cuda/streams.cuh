// streams.cuh: each use of randomness has a name, and a random word is a pure function of
//     key = 64-bit user seed,  counter = (position, sweep, chain, purpose).
// Nothing is stored, so results can't depend on slices, batches, threads or launch shapes. The Python twin is
// gpuqio/engines/streams.py; a test compares the two.
#pragma once
namespace gq {
enum purpose : unsigned {
    INIT = 0,      // position = block of 128 variables; the words are their first bits
    FLIP = 1,      // position and word: said in the move; the top 23 bits are u, the lowest 4 break ties
    EXCHANGE = 2,  // position = slot of the lower rung, chain = 0
    RESAMPLE = 3,  // position = 0, chain = 0: one word a resampling
    STEP = 4,      // position = step of a walk; word 0: whether, word 1: which variable
    BOND = 5,      // position and word: said in the move
    TABU = 6,      // position = 0; word 0 ranks equals, word 1 lengthens the tenure
    MOTION = 7,    // position and word: said in the move
    CLUSTER = 8,   // position = 0, chain = number of the pair
    BITS = 9,      // position = 32 variable + 8 digit + which four bits, chain = number of the word of 32 chains
    STREAM = 10,   // position = 0, chain = number of the word of 32 chains: seeds of their bits
};
}  // namespace gq
