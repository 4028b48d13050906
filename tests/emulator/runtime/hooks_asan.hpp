// hooks_asan.hpp: what the red zones need before a launch.
#pragma once

namespace emulator::asan {

void prepare();  // once the stacks stand; throws std::runtime_error

}  // namespace emulator::asan
