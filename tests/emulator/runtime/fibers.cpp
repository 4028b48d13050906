#include "fibers.hpp"
#include <stdexcept>
#include <sys/mman.h>

// The callee-saved registers go onto the stack that is left and come from the one that is entered: ten instructions,
// where ucontext makes two system calls.
#if defined(__x86_64__)
asm(R"(
.text
.hidden emulator_switch
.globl emulator_switch
.type emulator_switch, @function
emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch, .-emulator_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.hidden emulator_switch
.globl emulator_switch
.type emulator_switch, %function
emulator_switch:
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    ret
.size emulator_switch, .-emulator_switch
)");
#else
#error "the emulator switches stacks on x86-64 and aarch64 only"
#endif

namespace emulator {

namespace {
char* stacks = nullptr;
size_t count = 0;
}  // namespace

void make_stacks(unsigned threads) {
    if (threads <= count) return;
    if (stacks) munmap(stacks, count * STACK);
    void* const got =
        mmap(nullptr, threads * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    stacks = got == MAP_FAILED ? nullptr : static_cast<char*>(got);
    count = stacks ? threads : 0;
    if (!stacks) throw std::runtime_error("no memory for the stacks of the threads");
    // A page that traps below each: an overflow must not reach the neighbour's variables.
    for (unsigned i = 0; i < threads; ++i) mprotect(stack_of(i), 4096, PROT_NONE);
}

char* stack_of(unsigned thread) { return stacks + thread * STACK; }
const char* stacks_begin() { return stacks; }
const char* stacks_end() { return stacks + count * STACK; }

void* fresh_stack(unsigned thread, void (*entry)()) {
    // The tops are staggered: at equal offsets all threads' variables would share a few sets of the cache.
    const size_t stagger = thread * 320u & 0x1ff0u;
    void** top = reinterpret_cast<void**>(stack_of(thread) + STACK - stagger);
#if defined(__x86_64__)
    *--top = nullptr;  // so that the stack is aligned as after a call
    *--top = reinterpret_cast<void*>(entry);
    return top - 6;
#else
    top -= 20;
    top[0] = nullptr;
    top[1] = reinterpret_cast<void*>(entry);
    return top;
#endif
}

}  // namespace emulator
