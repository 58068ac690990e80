// Many callers' small requests as few round trips: what arrives while others are under way goes with the next one.
#pragma once
#include "base/event.hpp"

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace toygres::runtime {

template <class In, class Out> class Gather {
  public:
    // Answers all of them, in order.
    using Work = std::function<asio::awaitable<std::vector<Out>>(std::vector<In>)>;

    Gather(asio::any_io_executor executor, Work work)
        : state_(std::make_shared<State>(std::move(executor), std::move(work))) {}

    // Throws what the work throws.
    asio::awaitable<Out> submit(In request) {
        const auto state = state_;
        const auto entry = std::make_shared<Entry>(state->executor, std::move(request));
        state->queue.push_back(entry);
        if (state->lanes < lanes_max) {
            ++state->lanes;
            asio::co_spawn(state->executor, drain(state), asio::detached);
        }
        while (!entry->answer && !entry->failure) co_await entry->answered.wait();
        if (entry->failure) std::rethrow_exception(entry->failure);
        co_return *std::move(entry->answer);
    }

  private:
    static constexpr int lanes_max = 2;
    static constexpr std::size_t batch_max = 64;

    struct Entry {
        Entry(const asio::any_io_executor& executor, In in) : request(std::move(in)), answered(executor) {}
        In request;
        std::optional<Out> answer{};
        std::exception_ptr failure{};
        toygres::Event answered;
    };
    struct State {
        State(asio::any_io_executor e, Work w) : executor(std::move(e)), work(std::move(w)) {}
        asio::any_io_executor executor;
        Work work;
        std::deque<std::shared_ptr<Entry>> queue{};
        int lanes = 0;
    };

    static asio::awaitable<void> drain(std::shared_ptr<State> state) {
        while (!state->queue.empty()) {
            std::vector<std::shared_ptr<Entry>> batch;
            std::vector<In> requests;
            while (!state->queue.empty() && batch.size() < batch_max) {
                batch.push_back(std::move(state->queue.front()));
                state->queue.pop_front();
                requests.push_back(std::move(batch.back()->request));
            }
            std::exception_ptr failure;
            std::vector<Out> answers;
            try {
                answers = co_await state->work(std::move(requests));
            } catch (...) {
                failure = std::current_exception();
            }
            for (std::size_t i = 0; i < batch.size(); ++i) {
                if (failure)
                    batch[i]->failure = failure;
                else
                    batch[i]->answer = std::move(answers[i]);
                batch[i]->answered.notify();
            }
        }
        --state->lanes;
    }

    std::shared_ptr<State> state_;
};

}  // namespace toygres::runtime
