// warp.cuh: the vocabulary that every algorithm here is written in: 32 lanes in lock step.
//
//   vf vi vu   a float, int32 or uint32 in each lane          vb   a condition in each lane (no conversion to bool)
//   lane()     0..31                                          splat(x)   the same value in every lane
//   spread(w)  the condition "my bit of word w is set"        ballot(c)  the word whose bit l is lane l's condition
//   uniform(b) the same condition in every lane               bcast(x, l)  lane l's value, uniform
//   keep(c, x)   x where c, else 0                            negate_if(c, x)   -x where c, else x
//   load/store   32 consecutive elements                      add_each   64-bit memory += lane values
//   mul_wide   32 x 32 -> 64 bits, as high and low word       first/population   lowest set bit, number of set bits
//
// Rules for code above this header. No `if` on a lane's condition: use keep; control flow is uniform and comes from
// ballot alone. Integers, and float +, -, * only: no fma, no division, no libm, so that every machine (and NumPy)
// gives the same bits. Everything lives in namespace gq.
#pragma once
#if !defined(__CUDACC__)
#include "cpu/lanes.cuh"
#endif
