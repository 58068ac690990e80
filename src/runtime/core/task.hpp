// Task<T>: the coroutine type of orchestrations. It awaits Tasks and the durable operations of OrchestrationContext and
// nothing else: awaiting I/O does not compile. Lazy: it runs when it is awaited.
#pragma once
#include "base/assert.hpp"
#include "base/error.hpp"

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace toygres::runtime {

// Derived from by everything that an orchestration may await.
struct DurableAwaitable {};

template <class T> class Task;

namespace task_detail {

struct PromiseBase {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    std::exception_ptr failure;

    struct FinalAwaiter {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) const noexcept {
            return h.promise().continuation;
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() { failure = std::current_exception(); }

    template <class A> A&& await_transform(A&& awaitable) const {
        static_assert(std::is_base_of_v<DurableAwaitable, std::remove_cvref_t<A>>,
                      "an orchestration awaits durable operations of its context only; move I/O into an activity");
        return std::forward<A>(awaitable);
    }
};

}  // namespace task_detail

namespace task_detail {

template <class T> struct Promise : PromiseBase {
    std::optional<T> value;
    Task<T> get_return_object();
    template <class U> void return_value(U&& result) { value.emplace(std::forward<U>(result)); }
    T take() {
        TG_ASSERT(value.has_value());
        return std::move(*value);
    }
};

template <> struct Promise<void> : PromiseBase {
    Task<void> get_return_object();
    void return_void() const {}
    void take() const {}
};

}  // namespace task_detail

template <class T> class [[nodiscard]] Task : public DurableAwaitable {
  public:
    using promise_type = task_detail::Promise<T>;

    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&&) = delete;
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) {
        handle_.promise().continuation = awaiting;
        return handle_;
    }
    T await_resume() { return take(); }

    // For the runtime: start it, see whether it ended, take what it gave (throws what it threw).
    std::coroutine_handle<> handle() const { return handle_; }
    bool done() const { return handle_.done(); }
    T take() {
        if (handle_.promise().failure) std::rethrow_exception(handle_.promise().failure);
        return handle_.promise().take();
    }

  private:
    std::coroutine_handle<promise_type> handle_;
};

namespace task_detail {

template <class T> Task<T> Promise<T>::get_return_object() {
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace task_detail

}  // namespace toygres::runtime
