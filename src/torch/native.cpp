// What libtorch knows and tch does not pass on. Declared by hand: the headers would cost
// half a minute of compiling for one line.

#include <string>

namespace at {
std::string get_cpu_capability();
}

extern "C" const char* rhobust_cpu_capability() {
    static const std::string capability = at::get_cpu_capability();
    return capability.c_str();
}
