// How native code fails: what was thrown becomes a text that Rust asks for.

#pragma once

#include <ATen/core/Tensor.h>

#include <exception>
#include <string>

namespace rhobust {

std::string& failure();

// What `f` gives, a tensor that the caller frees; null where it throws.
template <typename F>
at::Tensor* guarded(F f) {
    try {
        return new at::Tensor(f());
    } catch (const std::exception& error) {
        failure() = error.what();
    } catch (...) {
        failure() = "an unknown exception";
    }
    return nullptr;
}

}  // namespace rhobust
