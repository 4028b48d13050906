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
// Words side by side, where a bit is a chain: of type W, words_of<W> of them, with & | ^ ~ + - << >>. W is wide_vw, or on
// a CPU, where too few are left to fill it, vw.
//   splat_word<W>(x), word_numbers<W>()   0, 1, 2, ...        any(x)   whether a bit is set
//   word_of(x, l), set_word(x, l, w)   one of them, uniform
//   WordRows<W> r(p, row, l); r[i], r.set(i, x)   word l and those after it, of rows of `row` words, in which eight lie
//   together, at place i of their rows
//   parity(a, b, c), majority(a, b, c)                        choose(c, x, y)   x where c, else y
//   or_differ(a, x, y)   a, or x and y differ                 unless_differ(a, x, y)   a, but y where x and y differ
//   NumberTable<W, BITS, N> t(p); Choice<W, BITS> c(t[i], y); c[k]   of 2^BITS numbers in row i, of each chain the one
//   that it goes by (y: its binary digits), the k-th highest binary digit; t[i].zero(j)   whether the j-th four of all are 0
//   factor<W>, factors(x), words(y)   W as mul_wide and ^ take it, and back
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
