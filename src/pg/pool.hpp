// A pool of sessions to one database: made when needed, given back when the lease goes, dropped when broken or old.
#pragma once
#include "pg/connection.hpp"

#include <deque>
#include <functional>

namespace toygres::pg {

struct PoolOptions {
    std::string conninfo;
    std::string search_path;
    std::string application_name = "toygres";
    std::size_t connections_max = 8;
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds acquire_timeout{30'000};  // wait for a free one: transient/"pool_exhausted"
    // Told of every acquire(): how long it took, and the error that it ended with; nullptr: none.
    std::function<void(std::chrono::nanoseconds took, const Error* error)> on_acquired{};
};

class Pool;

// Exclusive use of one connection; goes back to the pool by itself. A connection left inside a transaction is closed.
class Lease {
  public:
    Lease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection);
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection* operator->() const { return connection_.get(); }
    Connection& operator*() const { return *connection_; }

  private:
    std::shared_ptr<Pool> pool_;
    std::unique_ptr<Connection> connection_;
};

class Pool : public std::enable_shared_from_this<Pool> {
  public:
    Pool(asio::any_io_executor executor, PoolOptions options);

    asio::awaitable<Result<Lease>> acquire();
    // Acquire and execute one statement.
    asio::awaitable<Result<Rows>> execute(Query query, Params params = {});

    const PoolOptions& options() const { return options_; }
    std::size_t in_use() const { return total_ - idle_.size(); }
    std::size_t idle() const { return idle_.size(); }
    // Who waits for a session to become free.
    std::size_t waiting() const { return waiting_.size(); }
    // Closes idle sessions; leases out close when they come back.
    void close();

  private:
    friend class Lease;
    class Place;
    struct Waiting;
    asio::awaitable<Result<Lease>> take();
    void give_back(std::unique_ptr<Connection> connection);
    void wake_one();

    asio::any_io_executor executor_;
    PoolOptions options_;
    std::deque<std::unique_ptr<Connection>> idle_;
    std::deque<Waiting*> waiting_;
    std::size_t total_ = 0;
    bool closed_ = false;
};

}  // namespace toygres::pg
