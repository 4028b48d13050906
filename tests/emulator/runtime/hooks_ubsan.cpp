// hooks_ubsan.cpp: -fsanitize=undefined makes the compiler call a function where C++ does not say what happens. Each is
// given a record that begins with the place in the source; that and the function's name are all that is wanted here.
#include "scheduler.hpp"

namespace {

struct Record {
    const char* file;
    uint32_t line, column;
};

[[noreturn]] void undefined(const char* what, const void* record) {
    const Record& at = *static_cast<const Record*>(record);
    if (!emulator::machine.running) __builtin_trap();
    emulator::fail(std::string("undefined behaviour: ") + what +
                   emulator::format(" at %s:%u, by ", at.file ? at.file : "an unknown place", at.line) +
                   emulator::place());
}

}  // namespace

// The remaining arguments are values, which the source line makes plain enough.
#define HANDLER(NAME, WHAT)                                                               \
    extern "C" void __ubsan_handle_##NAME(void* record, ...) { undefined(WHAT, record); } \
    extern "C" void __ubsan_handle_##NAME##_abort(void* record, ...) { undefined(WHAT, record); }
HANDLER(type_mismatch_v1, "misaligned, null or too small object")
HANDLER(add_overflow, "signed overflow of +")
HANDLER(sub_overflow, "signed overflow of -")
HANDLER(mul_overflow, "signed overflow of *")
HANDLER(negate_overflow, "signed overflow of unary -")
HANDLER(divrem_overflow, "division by zero, or overflow of /")
HANDLER(shift_out_of_bounds, "shift by more bits than there are, or of a bit into the sign")
HANDLER(out_of_bounds, "index outside an array")
HANDLER(builtin_unreachable, "__builtin_unreachable was reached")
HANDLER(missing_return, "a function ended without returning a value")
HANDLER(vla_bound_not_positive, "array of no or negative length")
HANDLER(float_cast_overflow, "float too large for the integer, or NaN")
HANDLER(load_invalid_value, "a bool that is neither true nor false, or an enum outside its range")
HANDLER(invalid_builtin, "count of zeros of 0")
HANDLER(nonnull_arg, "null pointer where none may be")
HANDLER(pointer_overflow, "overflow of pointer arithmetic")
