// The client's connections: opened on demand up to a limit, kept for reuse. Inside src/http only.
#pragma once
#include "base/event.hpp"
#include "http/client.hpp"
#include "http/transport.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace toygres::http {

// Where base_url points. Throws ErrorException: invalid/"invalid_url".
struct Origin {
    explicit Origin(const std::string& base_url);
    bool tls;
    std::string host;  // an IPv6 address without its brackets
    std::string port;
    std::string host_field;   // as the Host header says it
    std::string path_prefix;  // without a slash at its end
};

class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
  public:
    ConnectionPool(asio::any_io_executor executor, const ClientOptions& options);

    // One connection held; goes back to the pool with keep(), is closed otherwise.
    class Lease {
      public:
        Lease(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<Transport> transport, bool reused)
            : pool_(std::move(pool)), transport_(std::move(transport)), reused_(reused) {}
        Lease(Lease&&) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease();
        Transport& transport() { return *transport_; }
        bool reused() const { return reused_; }
        void keep();

      private:
        std::shared_ptr<ConnectionPool> pool_;
        std::shared_ptr<Transport> transport_;
        bool reused_;
    };

    // What a request does with its connection before it has it: see each one as it is made, give up waiting. `turn`
    // has it look whether to give up.
    struct Patience {
        std::function<void(std::shared_ptr<Transport>)> on_open;
        std::function<bool()> over;
        Event& turn;
    };
    // `fresh`: never one that was used before. Errors as in client.hpp; transient/"connect_failed" when patience is
    // over.
    asio::awaitable<Result<Lease>> acquire(bool fresh, Patience patience);
    const Origin& origin() const { return origin_; }
    const asio::any_io_executor& executor() const { return executor_; }

  private:
    struct Idle {
        std::shared_ptr<Transport> transport;
        std::chrono::steady_clock::time_point since;
    };
    // A place among connections_max, given back when it goes.
    struct Place {
        explicit Place(ConnectionPool* p) : pool(p) { ++pool->open_; }
        ~Place() {
            if (pool) pool->give_back_place();
        }
        void release() { pool = nullptr; }
        ConnectionPool* pool;
    };

    // One that waits for a place. Those wait in line: to wake all for each place that is given back costs a crowd more
    // than its requests.
    struct Waiting {
        Waiting(ConnectionPool& p, Event& e) : pool(p), turn(e) { pool.line_.push_back(this); }
        ~Waiting() { std::erase(pool.line_, this); }
        ConnectionPool& pool;
        Event& turn;
    };

    std::shared_ptr<Transport> take_idle();
    void give_back_place();
    asio::awaitable<Result<std::shared_ptr<Transport>>> open(const Patience& patience);
    asio::awaitable<Result<std::vector<tcp::endpoint>>> resolve();

    asio::any_io_executor executor_;
    Origin origin_;
    TlsContext tls_;
    std::string server_name_;
    bool verify_ = true;
    std::size_t connections_max_;
    std::chrono::milliseconds connect_timeout_;
    std::chrono::milliseconds idle_timeout_;
    std::size_t open_ = 0;  // in use, not the idle ones
    std::vector<Idle> idle_;
    std::deque<Waiting*> line_;
};

}  // namespace toygres::http
