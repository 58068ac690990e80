#include "pg/pool.hpp"

namespace toygres::pg {

Lease::Lease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection)
    : pool_(std::move(pool)), connection_(std::move(connection)) {}

Lease::~Lease() {
    if (pool_ && connection_) pool_->give_back(std::move(connection_));
}

Pool::Pool(asio::any_io_executor executor, PoolOptions options)
    : executor_(std::move(executor)), options_(std::move(options)) {}

// One of the pool's places while its session is being made.
class Pool::Place {
  public:
    explicit Place(Pool& pool) : pool_(&pool) { ++pool.total_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
        if (pool_ == nullptr) return;
        --pool_->total_;
        pool_->wake_one();
    }
    void keep() { pool_ = nullptr; }

  private:
    Pool* pool_;
};

// In line. A session is handed to whoever is first, past those who come just then.
struct Pool::Waiting {
    Waiting(Pool& p, std::chrono::steady_clock::time_point deadline) : pool(p), timer(p.executor_, deadline) {
        pool.waiting_.push_back(this);
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() {
        std::erase(pool.waiting_, this);
        if (given) pool.give_back(std::move(given));
    }
    Pool& pool;
    asio::steady_timer timer;
    std::unique_ptr<Connection> given;
};

asio::awaitable<Result<Lease>> Pool::acquire() {
    if (!options_.on_acquired) co_return co_await take();
    const auto began = std::chrono::steady_clock::now();
    auto lease = co_await take();
    options_.on_acquired(std::chrono::steady_clock::now() - began, lease ? nullptr : &lease.error());
    co_return lease;
}

asio::awaitable<Result<Lease>> Pool::take() {
    const auto deadline = std::chrono::steady_clock::now() + options_.acquire_timeout;
    for (;;) {
        if (closed_)
            co_return std::unexpected(Error{ErrorKind::transient, "database_unavailable", "the pool is closed"});
        if (!idle_.empty()) {
            auto connection = std::move(idle_.back());
            idle_.pop_back();
            if (connection->stale()) {  // a restart of the server while it lay here
                --total_;
                continue;
            }
            co_return Lease(shared_from_this(), std::move(connection));
        }
        if (total_ < options_.connections_max) {
            Place place(*this);  // given back also when this wait is cancelled
            auto made = co_await Connection::connect(options_.conninfo, options_.search_path, options_.application_name,
                                                     options_.connect_timeout);
            if (made) {
                place.keep();
                co_return Lease(shared_from_this(), *std::move(made));
            }
            co_return std::unexpected(std::move(made).error());
        }
        Waiting waiting(*this, deadline);
        co_await waiting.timer.async_wait(use);
        if (waiting.given) co_return Lease(shared_from_this(), std::move(waiting.given));
        if (std::chrono::steady_clock::now() >= deadline)
            co_return std::unexpected(
                Error{ErrorKind::transient, "pool_exhausted", "no database connection became free in time"});
    }
}

asio::awaitable<Result<Rows>> Pool::execute(Query query, Params params) {
    auto lease = co_await acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    co_return co_await (*lease)->execute(query, std::move(params));
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
    if (connection->broken() || connection->in_transaction() || closed_) {
        --total_;
        // One dead session is seldom alone: after a restart of the server all idle ones are dead too.
        if (connection->broken()) {
            total_ -= idle_.size();
            idle_.clear();
        }
        wake_one();
    } else if (waiting_.empty()) {
        idle_.push_back(std::move(connection));
    } else {
        waiting_.front()->given = std::move(connection);
        wake_one();
    }
}

// With a session, or because one may be made.
void Pool::wake_one() {
    if (waiting_.empty()) return;
    auto* first = waiting_.front();
    waiting_.pop_front();
    first->timer.cancel();
}

void Pool::close() {
    closed_ = true;
    total_ -= idle_.size();
    idle_.clear();
    for (auto* waiting : waiting_) waiting->timer.cancel();
}

}  // namespace toygres::pg
