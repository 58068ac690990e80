// Lets several coroutines write to one connection: one at a time, in the order they came. Inside src/http only.
#pragma once
#include "base/asio.hpp"

#include <boost/asio/experimental/channel.hpp>

#include <utility>

namespace toygres::http {

class WriteTurns {
    // The holder of the channel's only place writes.
    using Places = asio::experimental::channel<void(boost::system::error_code)>;

  public:
    explicit WriteTurns(const asio::any_io_executor& executor) : places_(executor, 1) {}

    // Held while writing.
    class Turn {
      public:
        explicit Turn(Places* places) : places_(places) {}
        Turn(Turn&& other) noexcept : places_(std::exchange(other.places_, nullptr)) {}
        ~Turn() {
            if (places_) places_->try_receive([](boost::system::error_code) {});
        }

      private:
        Places* places_;
    };
    asio::awaitable<Turn> take() {
        co_await places_.async_send(boost::system::error_code(), use);
        co_return Turn(&places_);
    }

  private:
    Places places_;
};

}  // namespace toygres::http
