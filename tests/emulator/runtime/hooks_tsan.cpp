// hooks_tsan.cpp: -fsanitize=thread makes the compiler call a function before each access to memory, and in place of
// each atomic operation. These are those functions: a checker of our own instead of libtsan, which knows nothing of
// blocks, barriers and shared memory.
#include "checks.hpp"
#include <stdint.h>

using emulator::checks::ATOMIC;
using emulator::checks::race_access;
using emulator::checks::READ;
using emulator::checks::WRITE;

#define CALLER __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

// A volatile access counts as atomic: it is how flags are read and written without a read-modify-write.
#define PLAIN(N)                                                                                             \
    void __tsan_read##N(void* p) { race_access(uintptr_t(p), N, READ, CALLER); }                             \
    void __tsan_write##N(void* p) { race_access(uintptr_t(p), N, WRITE, CALLER); }                           \
    void __tsan_unaligned_read##N(void* p) { race_access(uintptr_t(p), N, READ, CALLER); }                   \
    void __tsan_unaligned_write##N(void* p) { race_access(uintptr_t(p), N, WRITE, CALLER); }                 \
    void __tsan_volatile_read##N(void* p) { race_access(uintptr_t(p), N, READ | ATOMIC, CALLER); }           \
    void __tsan_volatile_write##N(void* p) { race_access(uintptr_t(p), N, WRITE | ATOMIC, CALLER); }         \
    void __tsan_unaligned_volatile_read##N(void* p) { race_access(uintptr_t(p), N, READ | ATOMIC, CALLER); } \
    void __tsan_unaligned_volatile_write##N(void* p) { race_access(uintptr_t(p), N, WRITE | ATOMIC, CALLER); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
void __tsan_read_range(void* p, size_t bytes) { race_access(uintptr_t(p), bytes, READ, CALLER); }
void __tsan_write_range(void* p, size_t bytes) { race_access(uintptr_t(p), bytes, WRITE, CALLER); }

void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}

#define BOTH(p) race_access(uintptr_t(p), sizeof(*p), READ | WRITE | ATOMIC, CALLER)
#define MODIFY(BITS, NAME, RESULT)                                                                   \
    uint##BITS##_t __tsan_atomic##BITS##_##NAME(volatile uint##BITS##_t* p, uint##BITS##_t v, int) { \
        BOTH(p);                                                                                     \
        const uint##BITS##_t old = *p;                                                               \
        *p = uint##BITS##_t(RESULT);                                                                 \
        return old;                                                                                  \
    }
#define EXCHANGE(BITS, STRENGTH)                                                                                \
    int __tsan_atomic##BITS##_compare_exchange_##STRENGTH(volatile uint##BITS##_t* p, uint##BITS##_t* expected, \
                                                          uint##BITS##_t v, int, int) {                         \
        BOTH(p);                                                                                                \
        const uint##BITS##_t old = *p;                                                                          \
        if (old == *expected) {                                                                                 \
            *p = v;                                                                                             \
            return 1;                                                                                           \
        }                                                                                                       \
        *expected = old;                                                                                        \
        return 0;                                                                                               \
    }
#define ATOMICS(BITS)                                                                                              \
    uint##BITS##_t __tsan_atomic##BITS##_load(const volatile uint##BITS##_t* p, int) {                             \
        race_access(uintptr_t(p), BITS / 8, READ | ATOMIC, CALLER);                                                \
        return *p;                                                                                                 \
    }                                                                                                              \
    void __tsan_atomic##BITS##_store(volatile uint##BITS##_t* p, uint##BITS##_t v, int) {                          \
        race_access(uintptr_t(p), BITS / 8, WRITE | ATOMIC, CALLER);                                               \
        *p = v;                                                                                                    \
    }                                                                                                              \
    uint##BITS##_t __tsan_atomic##BITS##_compare_exchange_val(volatile uint##BITS##_t* p, uint##BITS##_t expected, \
                                                              uint##BITS##_t v, int, int) {                        \
        BOTH(p);                                                                                                   \
        const uint##BITS##_t old = *p;                                                                             \
        if (old == expected) *p = v;                                                                               \
        return old;                                                                                                \
    }                                                                                                              \
    MODIFY(BITS, exchange, v)                                                                                      \
    MODIFY(BITS, fetch_add, old + v)                                                                               \
    MODIFY(BITS, fetch_sub, old - v)                                                                               \
    MODIFY(BITS, fetch_and, old& v)                                                                                \
    MODIFY(BITS, fetch_or, old | v)                                                                                \
    MODIFY(BITS, fetch_xor, old ^ v)                                                                               \
    EXCHANGE(BITS, strong)                                                                                         \
    EXCHANGE(BITS, weak)
ATOMICS(32)
ATOMICS(64)

}  // extern "C"
