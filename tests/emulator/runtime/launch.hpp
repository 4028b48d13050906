// launch.hpp: what Python is told about a kernel, and how a vector of argument addresses becomes a call.
#pragma once
#include "state.hpp"
#include <type_traits>
#include <utility>

namespace emulator {

// A NumPy kind ('i', 'u', 'f', 'b', 'V' for a struct) or 'P' for a pointer, whose target `element` describes.
struct Parameter {
    char kind, element, constant;
    uint32_t bytes, element_bytes;
};

struct Kernel {
    const char* name;
    void (*run)(void** arguments);
    const Parameter* parameters;
    uint32_t count, most_threads;
};

template <class T>
constexpr char kind_of() {
    if constexpr (std::is_same_v<T, bool>) return 'b';
    if constexpr (std::is_floating_point_v<T>) return 'f';
    if constexpr (std::is_enum_v<T>) return kind_of<std::underlying_type_t<T>>();
    if constexpr (std::is_integral_v<T>) return std::is_signed_v<T> ? 'i' : 'u';
    if constexpr (std::is_pointer_v<T>) return 'u';  // an address, in memory
    return 'V';
}

template <class T, class = void>
constexpr uint32_t size_of = 0;  // void, or a struct that is only declared
template <class T>
constexpr uint32_t size_of<T, std::void_t<decltype(sizeof(T))>> = std::is_void_v<T> ? 0 : uint32_t(sizeof(T));

template <class T>
constexpr Parameter describe() {
    if constexpr (std::is_pointer_v<T>) {
        using Element = std::remove_pointer_t<T>;
        return {'P', kind_of<std::remove_cv_t<Element>>(), std::is_const_v<Element>, sizeof(T), size_of<Element>};
    } else {
        return {kind_of<T>(), 'V', true, sizeof(T), 0};
    }
}

template <class... A>
constexpr Parameter parameters[sizeof...(A) + 1] = {describe<std::remove_cv_t<A>>()..., {}};

// Unchecked: the arguments lie in the host's memory, which a kernel has no business to read.
template <auto K, class... A, size_t... I>
__attribute__((noinline, no_sanitize("address", "thread", "undefined"))) void call(void** arguments,
                                                                                   std::index_sequence<I...>) {
    K(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
}

template <auto K, class... A>
constexpr Kernel kernel(const char* name, uint32_t most_threads, void (*)(A...)) {
    return {name, [](void** arguments) { call<K, A...>(arguments, std::make_index_sequence<sizeof...(A)>{}); },
            parameters<A...>, sizeof...(A), most_threads};
}

}  // namespace emulator

#define EMULATOR_KERNEL(NAME, MOST_THREADS, ...) \
    emulator::kernel<&__VA_ARGS__>(NAME, uint32_t(MOST_THREADS), &__VA_ARGS__)
