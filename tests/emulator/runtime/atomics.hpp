// atomics.hpp: read-modify-write. Made of the compiler's own atomic operations, so that the race checker, which stands
// in their place, knows them from plain accesses.
#pragma once
#include "intrinsics.hpp"
#include "state.hpp"

namespace emulator {

template <class T>
struct same {
    using type = T;
};
template <class T>
using same_t = typename same<T>::type;  // the second argument converts to the first's type, as in CUDA's overloads

template <class T>
constexpr bool has_atomics = (sizeof(T) == 4 || sizeof(T) == 8) && std::is_arithmetic_v<T>;

template <class T, class Change>
inline T modify(T* p, Change change) {
    static_assert(has_atomics<T>, "atomics are of 32 or 64 bits");
    using Word = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    Word* const word = reinterpret_cast<Word*>(p);
    Word old = __atomic_load_n(word, __ATOMIC_RELAXED), next;
    do {
        next = Word(bits<T>(change(from_bits<T>(old))));
    } while (!__atomic_compare_exchange_n(word, &old, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return from_bits<T>(old);
}

}  // namespace emulator

template <class T>
inline T atomicAdd(T* p, emulator::same_t<T> v) {
    static_assert(emulator::has_atomics<T>, "atomics are of 32 or 64 bits");
    static_assert(!(sizeof(T) == 8 && std::is_integral_v<T> && std::is_signed_v<T>), "CUDA adds unsigned long long");
    if constexpr (std::is_integral_v<T>) {
        return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
    } else {
        return emulator::modify(p, [=](T old) { return old + v; });
    }
}
inline int atomicSub(int* p, int v) { return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED); }
inline unsigned atomicSub(unsigned* p, unsigned v) { return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED); }

#define EMULATOR_ATOMIC(NAME, RESULT)                              \
    template <class T>                                             \
    inline T NAME(T* p, emulator::same_t<T> v) {                   \
        return emulator::modify(p, [=](T old) { return RESULT; }); \
    }
EMULATOR_ATOMIC(atomicMin, v < old ? v : old)
EMULATOR_ATOMIC(atomicMax, v > old ? v : old)
EMULATOR_ATOMIC(atomicAnd, old& v)
EMULATOR_ATOMIC(atomicOr, old | v)
EMULATOR_ATOMIC(atomicXor, old ^ v)
EMULATOR_ATOMIC(atomicExch, v)
#undef EMULATOR_ATOMIC

// Who finds another value will often try again until a second thread has acted, so that one is let run.
template <class T>
inline T atomicCAS(T* p, emulator::same_t<T> expected, emulator::same_t<T> v) {
    static_assert(emulator::has_atomics<T>, "atomics are of 32 or 64 bits");
    T old = expected;
    if (!__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) emulator::give_way();
    return old;
}
