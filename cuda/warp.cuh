// warp.cuh: the vocabulary that every algorithm here is written in: 32 lanes in lock step.
//
//   vf vi vu   a float, int32 or uint32 in each lane          vb   a condition in each lane (no conversion to bool)
//   vl         an int64 in each lane: + - ^ > ==, keep, negate_if, splat, mine, load, add_each, and
//   times(x, k)   vi times a uniform int64                    truncate_wide(x)   a float's integer part
//   lane()     0..31                                          splat(x)   the same value in every lane
//   spread(w)  the condition "my bit of word w is set"        ballot(c)  the word whose bit l is lane l's condition
//   uniform(b) the same condition in every lane               bcast(x, l)  lane l's value, uniform
//   keep(c, x)   x where c, else 0                            negate_if(c, x)   -x where c, else x
//   add_if(x, c, y)   x + y where c, else x                   held(x)   uniform x, made once and kept in a register
//   plus_minus(x, c, y)   x - y where c, else x + y           either(c, x, y)   x where c, else y
//   minimum(x), sum(x)   of all lanes' int32, uniform
//   load/store   32 consecutive elements                      add_each   64-bit memory += lane values
//   load_int   32 consecutive integers of any width
//   mul_wide   32 x 32 -> 64 bits, as high and low word       first/population   lowest set bit, number of set bits
//   in_pieces(x, f)   f on the four values of x, on a CPU a few lanes of each at a time
//   in_parts(f)   f(part), on a CPU a few lanes at a time: part(x) are those of a value x, part.set(x, y) puts them there
//   pick(x, i)   x[i] of four lane values, i uniform      transpose(x)   x[a] of lane 4q + b becomes x[b] of lane 4q + a
//
// Work on memory that is not 32 lanes wide:
//   put(p, x)      one uniform value                          each(n, f)   f(0), ..., f(n-1), in any order
//   load_few<N>(p, x), put_few<N>(p, x)   N uniform values, p a multiple of their size
//   sum(n, f)      f(0) + ... + f(n-1), int32, uniform
//   wide_sum(n, f)   f(0) + ... + f(n-1) in 64 bits, uniform
//   vote(n, f)     the word of f(0), ..., f(n-1), n <= 32     mine(x, l)   lane l's value, for f(l) inside vote
//   add(p, x), lower(p, x)   *p += x, *p = min(*p, x), safely from several warps
//
// Words side by side, where a bit is a chain: vw, vw_words of them, with & | ^ ~.
//   splat_word(x), load_words(p), store_words(p, x)         any(x)   whether a bit is set
//   word_numbers()   0, 1, 2, ...                           word_of(x, l), set_word(x, l, w)   one of them, uniform
//   own_words(p, row, l)   where word l and those after it begin: rows of `row` words, in which eight lie together
//   Digits d; d = x; d[k]   the k-th highest binary digit of a uniform x, as words of ones or of zeros
//   factors(x), uniform_factor(x), words(y)   vw as mul_wide and ^ take them, and back
//
// Several warps may share a problem: warp team_rank() of team_size(), which meet at team_sync().
//
// Rules for code above this header. No `if` on a lane's condition: use keep; control flow is uniform and comes from
// ballot alone. Integers, and float +, -, * only: no fma, no division, no libm, so that every machine (and NumPy)
// gives the same bits. Everything lives in namespace gq.
#pragma once
#if defined(__CUDACC__) || defined(CUDA_EMULATOR)
#include "gpu/words.cuh"
#else
#include "cpu/lanes.cuh"
#include "cpu/wide_lanes.cuh"
#include "cpu/words.cuh"
#endif
