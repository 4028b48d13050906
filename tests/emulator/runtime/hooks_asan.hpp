#pragma once

namespace emulator::asan {

void prepare();  // before a launch, once the stacks stand; throws std::runtime_error

}
