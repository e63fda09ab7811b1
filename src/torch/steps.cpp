// Steps of attacks, each in few passes over memory where libtorch's operations would take dozens.
// No exception leaves a function of this file.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

// Sums run in so many lanes, which the compiler keeps in vector registers.
constexpr int64_t kLanes = 16;

template <typename F>
auto sum(int64_t d, F term) -> decltype(term(0)) {
    using T = decltype(term(0));
    T lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= d; i += kLanes) {
        for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
    }
    for (; i < d; ++i) lanes[0] += term(i);
    T total = 0;
    for (T lane : lanes) total += lane;
    return total;
}

// A floating-point batch of rows on the CPU whose entries lie densely, one row after the other.
bool is_rows(const at::Tensor& x, at::MemoryFormat format) {
    return x.is_cpu() && x.layout() == at::kStrided && x.dim() >= 2 &&
           (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) &&
           x.is_contiguous(format);
}

bool recorded(std::initializer_list<const at::Tensor*> tensors) {
    return at::GradMode::is_enabled() &&
           std::any_of(tensors.begin(), tensors.end(),
                       [](const at::Tensor* tensor) { return tensor->requires_grad(); });
}

// `tensor` in the layout `format`, or undefined where it is not like `x`.
at::Tensor laid_out(const at::Tensor& tensor, const at::Tensor& x, at::MemoryFormat format) {
    if (tensor.device() != x.device() || tensor.scalar_type() != x.scalar_type() ||
        tensor.layout() != at::kStrided || tensor.sizes() != x.sizes()) {
        return at::Tensor();
    }
    return tensor.contiguous(format);
}

// One number for each row.
at::Tensor per_row(const at::Tensor& values, const at::Tensor& x) {
    if (values.device() != x.device() || values.scalar_type() != x.scalar_type() ||
        values.dim() != 1 || values.size(0) != x.size(0)) {
        return at::Tensor();
    }
    return values.contiguous();
}

template <typename T>
void ascend(T* out, const T* here, const T* before, const T* gradient, const T* x, T step, T eps,
            T fresh, T kept, int64_t d) {
    for (int64_t i = 0; i < d; ++i) {
        const T low = std::max(x[i] - eps, T(0));
        const T high = std::min(x[i] + eps, T(1));
        const T sign = T(gradient[i] > 0) - T(gradient[i] < 0);
        const T stepped = std::min(std::max(here[i] + step * sign, low), high);
        const T mixed = here[i] + (stepped - here[i]) * fresh + (here[i] - before[i]) * kept;
        out[i] = std::min(std::max(mixed, low), high);
    }
}

// How a norm measures steps onto a hyperplane.
enum Norm : int { kLinf = 0, kL2 = 1 };

// Entries below this do not count in L2.
template <typename T>
constexpr T kFlat = T(1e-8);

// The room that an entry has in the direction in which it goes, and how far that is in units of
// the step's length; how much a unit of length closes of the gap.
template <typename T>
struct Entry {
    T reach;
    T weight;
};

template <typename T>
Entry<T> entry(Norm norm, T z, T normal, T side) {
    const T along = normal * side;
    const T room = along > 0 ? z : 1 - z;
    const T size = std::abs(normal);
    if (norm == kLinf) return {room, size};
    const bool counts = size > kFlat<T>;
    return {counts ? room / size : T(0), counts ? size * size : T(0)};
}

// What a step of some length closes of the gap where entries have met the box, how much a unit
// more would close by the entries that are free, and how many those are.
template <typename T>
struct Met {
    T met, slope, free;
};

template <typename T>
Met<T> met_at(T length, int64_t d, const T* reach, const T* weight) {
    T met[kLanes] = {}, slope[kLanes] = {}, free[kLanes] = {};
    const auto add = [&](int64_t i, int64_t lane) {
        const bool is_free = reach[i] > length;
        slope[lane] += is_free ? weight[i] : T(0);
        met[lane] += is_free ? T(0) : weight[i] * reach[i];
        free[lane] += is_free ? T(1) : T(0);
    };
    int64_t i = 0;
    for (; i + kLanes <= d; i += kLanes) {
        for (int64_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
    }
    for (; i < d; ++i) add(i, 0);
    Met<T> total = {};
    for (int64_t lane = 0; lane < kLanes; ++lane) {
        total.met += met[lane];
        total.slope += slope[lane];
        total.free += free[lane];
    }
    return total;
}

// The smallest step from `z` onto the hyperplane within the box, as `step_onto` in
// src/attack/hyperplane.rs explains; returns its size. `reach` and `weight` are scratch.
template <typename T>
T step_onto(Norm norm, const T* z, const T* normal, T offset, int64_t d, T* step, T* reach,
            T* weight) {
    T gap = sum(d, [=](int64_t i) { return normal[i] * z[i]; }) - offset;
    const T side = gap >= 0 ? T(1) : T(-1);
    gap = std::abs(gap);
    for (int64_t i = 0; i < d; ++i) {
        const Entry<T> it = entry(norm, z[i], normal[i], side);
        reach[i] = it.reach;
        weight[i] = it.weight;
    }
    T length = 0;
    T free = T(-1);
    for (;;) {
        const Met<T> now = met_at(length, d, reach, weight);
        // The set of free entries only shrinks: it is the same when its size is.
        if (now.free == free) break;
        free = now.free;
        const T next =
            now.slope > 0 ? (gap - now.met) / now.slope : std::numeric_limits<T>::infinity();
        length = std::max(next, length);
    }
    for (int64_t i = 0; i < d; ++i) {
        const T along = normal[i] * side;
        const T direction = norm == kL2 ? along : T(along > 0) - T(along < 0);
        step[i] = -direction * std::min(reach[i], length);
    }
    if (norm == kL2) return std::sqrt(sum(d, [=](int64_t i) { return step[i] * step[i]; }));
    T largest = 0;
    for (int64_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(step[i]));
    return largest;
}

template <typename T>
void approach(Norm norm, T* out, const T* here, const T* x, const T* normal, T lead, T alpha_max,
              T eta, int64_t d, std::vector<T>& scratch) {
    scratch.resize(4 * d);
    T* ahead = scratch.data();
    T* aside = ahead + d;
    T* reach = aside + d;
    T* weight = reach + d;
    const T offset = sum(d, [=](int64_t i) { return normal[i] * here[i]; }) - lead;
    const T shortest = T(1e-8);
    const T from_here =
        std::max(step_onto(norm, here, normal, offset, d, ahead, reach, weight), shortest);
    const T from_x = std::max(step_onto(norm, x, normal, offset, d, aside, reach, weight), shortest);
    const T alpha = std::min(std::max(from_here / (from_here + from_x), T(0)), alpha_max);
    for (int64_t i = 0; i < d; ++i) {
        const T mixed = (here[i] + ahead[i] * eta) * (1 - alpha) + (x[i] + aside[i] * eta) * alpha;
        out[i] = std::min(std::max(mixed, T(0)), T(1));
    }
}

// Calls `of` with a zero of the dtype of `x`.
template <typename F>
void with_dtype(const at::Tensor& x, F of) {
    if (x.scalar_type() == at::kFloat) {
        of(float());
    } else {
        of(double());
    }
}

}  // namespace

// The L-infinity step of Auto-PGD from `here`, which came from `before`, with a step size for each
// row. A tensor that the caller frees; null where the tensors are not rows of one kind on the CPU,
// or a gradient would be recorded.
extern "C" at::Tensor* rhobust_apgd_step(const at::Tensor* here, const at::Tensor* before,
                                         const at::Tensor* gradient, const at::Tensor* x,
                                         const at::Tensor* step_size, double eps, double fresh) {
    try {
        const at::MemoryFormat format = x->suggest_memory_format();
        if (recorded({here, before, gradient, x}) || !is_rows(*x, format)) return nullptr;
        const at::Tensor from = laid_out(*here, *x, format), old = laid_out(*before, *x, format),
                         uphill = laid_out(*gradient, *x, format), step = per_row(*step_size, *x);
        if (!from.defined() || !old.defined() || !uphill.defined() || !step.defined()) {
            return nullptr;
        }
        at::Tensor out = at::empty_like(*x);
        const int64_t n = x->size(0), d = n > 0 ? x->numel() / n : 0;
        with_dtype(*x, [&](auto zero) {
            using T = decltype(zero);
            T* to = out.data_ptr<T>();
            const T *h = from.const_data_ptr<T>(), *b = old.const_data_ptr<T>(),
                    *g = uphill.const_data_ptr<T>(), *c = x->const_data_ptr<T>(),
                    *s = step.const_data_ptr<T>();
            at::parallel_for(0, n, 8, [&](int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                    const int64_t at = row * d;
                    ascend<T>(to + at, h + at, b + at, g + at, c + at, s[row], T(eps), T(fresh),
                              T(1 - fresh), d);
                }
            });
        });
        return new at::Tensor(std::move(out));
    } catch (...) {
        return nullptr;
    }
}

// The step of the FAB attack towards the boundary from `here` and from `x`. `gradient` is that of
// `lead`, one for each row; `norm` is 0 for L-infinity, 1 for L2. A tensor as above.
extern "C" at::Tensor* rhobust_fab_step(const at::Tensor* here, const at::Tensor* x,
                                        const at::Tensor* gradient, const at::Tensor* lead,
                                        int norm, double alpha_max, double eta) {
    try {
        const at::MemoryFormat format = x->suggest_memory_format();
        if (recorded({here, x, gradient, lead}) || !is_rows(*x, format)) return nullptr;
        const at::Tensor from = laid_out(*here, *x, format),
                         normal = laid_out(*gradient, *x, format), leads = per_row(*lead, *x);
        if (!from.defined() || !normal.defined() || !leads.defined()) return nullptr;
        at::Tensor out = at::empty_like(*x);
        const int64_t n = x->size(0), d = n > 0 ? x->numel() / n : 0;
        with_dtype(*x, [&](auto zero) {
            using T = decltype(zero);
            T* to = out.data_ptr<T>();
            const T *h = from.const_data_ptr<T>(), *c = x->const_data_ptr<T>(),
                    *g = normal.const_data_ptr<T>(), *l = leads.const_data_ptr<T>();
            at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
                std::vector<T> scratch;
                for (int64_t row = begin; row < end; ++row) {
                    const int64_t at = row * d;
                    approach<T>(Norm(norm), to + at, h + at, c + at, g + at, l[row], T(alpha_max),
                                T(eta), d, scratch);
                }
            });
        });
        return new at::Tensor(std::move(out));
    } catch (...) {
        return nullptr;
    }
}
