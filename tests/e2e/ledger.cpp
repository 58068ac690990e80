#include "ledger.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <sys/socket.h>
#include <unistd.h>

namespace toygres::test {

using namespace std::chrono_literals;

namespace {

// Ids of one writer lie apart from those of the next.
constexpr std::int64_t ids_per_writer = 1'000'000'000;
constexpr auto pause_after_error = 10ms;
constexpr auto patience = 60s;

}  // namespace

// A session that can be ended from another thread while it waits for an answer: by a descriptor of its own, which
// stays this socket's even when libpq has closed its one.
struct Ledger::Session {
    explicit Session(const std::string& conninfo) : connection(conninfo), socket(::dup(connection.sock())) {}
    ~Session() { ::close(socket); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    void hang_up() const { ::shutdown(socket, SHUT_RDWR); }
    pqxx::connection connection;
    const int socket;
};

Ledger::Ledger(std::string conninfo, LedgerOptions options)
    : conninfo_(std::move(conninfo) + " connect_timeout=2"),
      options_(options),
      table_("ledger_" + random_hex(8)),
      last_(Clock::now()) {
    for (const auto deadline = Clock::now() + patience;;) {
        try {
            pqxx::connection connection(conninfo_);
            pqxx::nontransaction(connection).exec(fmt::format("CREATE TABLE {} (id bigint PRIMARY KEY)", table_));
            break;
        } catch (const std::exception&) {
            if (Clock::now() > deadline) throw;
            std::this_thread::sleep_for(pause_after_error);
        }
    }
    for (int writer = 0; writer < options_.writers; ++writer)
        writers_.emplace_back([this, writer](const std::stop_token& stop) { write(stop, writer); });
}

Ledger::~Ledger() { stop(); }

void Ledger::stop() {
    for (auto& writer : writers_) writer.request_stop();
    writers_.clear();
}

std::shared_ptr<Ledger::Session> Ledger::connect(std::list<std::future<std::shared_ptr<Session>>>& dialling) const {
    const auto is_over = [](auto& attempt) { return attempt.wait_for(0s) == std::future_status::ready; };
    dialling.remove_if(is_over);
    dialling.push_back(std::async(std::launch::async, [conninfo = conninfo_] {
        try {
            return std::make_shared<Session>(conninfo);
        } catch (const std::exception&) {
            return std::shared_ptr<Session>();
        }
    }));
    if (dialling.back().wait_for(options_.connect_timeout) != std::future_status::ready) return nullptr;
    auto session = dialling.back().get();
    dialling.pop_back();
    if (!session) std::this_thread::sleep_for(pause_after_error);
    return session;
}

bool Ledger::append(const std::shared_ptr<Session>& session, std::int64_t id) {
    const auto begun = Clock::now();
    auto answer = std::async(std::launch::async, [&] {
        const auto rows = pqxx::nontransaction(session->connection)
                              .exec(fmt::format("INSERT INTO {} VALUES ({}) RETURNING current_setting('cluster_name'), "
                                                "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)",
                                                table_, id));
        return std::pair(rows[0][0].as<std::string>(), rows[0][1].as<std::string>());
    });
    if (answer.wait_for(options_.answer_timeout) != std::future_status::ready) session->hang_up();
    try {
        auto [server, timeline] = answer.get();
        const auto now = Clock::now();
        const std::scoped_lock lock(mutex_);
        longest_gap_ = std::max(longest_gap_, now - last_);
        last_ = now;
        acknowledgements_.push_back({id, begun, now, std::move(server), std::move(timeline)});
        return true;
    } catch (const std::exception&) {
        // It may be there or not: nobody said so.
        return false;
    }
}

void Ledger::write(const std::stop_token& stop, int writer) {
    std::list<std::future<std::shared_ptr<Session>>> dialling;
    std::shared_ptr<Session> session;
    // An id is tried once: whether a failed one is there is not known.
    for (auto id = writer * ids_per_writer; !stop.stop_requested();) {
        if (!session) session = connect(dialling);
        if (!session) continue;
        if (!append(session, id++)) session.reset();
        std::this_thread::sleep_for(options_.pause);
    }
}

std::size_t Ledger::acknowledged() const {
    const std::scoped_lock lock(mutex_);
    return acknowledgements_.size();
}

bool Ledger::goes_on(std::size_t rows, int seconds) const {
    const auto wanted = acknowledged() + rows;
    for (const auto deadline = Clock::now() + std::chrono::seconds(seconds); acknowledged() < wanted;) {
        if (Clock::now() > deadline) return false;
        std::this_thread::sleep_for(options_.pause);
    }
    return true;
}

std::chrono::milliseconds Ledger::longest_gap() const {
    const std::scoped_lock lock(mutex_);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::max(longest_gap_, Clock::now() - last_));
}

void Ledger::forget_gaps() {
    const std::scoped_lock lock(mutex_);
    longest_gap_ = {};
    last_ = Clock::now();
}

std::vector<std::string> Ledger::acknowledged_by() const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> out;
    for (const auto& a : acknowledgements_)
        if (out.empty() || out.back() != a.server) out.push_back(a.server);
    return out;
}

std::vector<Ledger::Acknowledgement> Ledger::acknowledgements() const {
    const std::scoped_lock lock(mutex_);
    return acknowledgements_;
}

std::string Ledger::two_at_once(const Ledger* other) const {
    struct Reign {
        std::string server;
        Clock::time_point first;
    };
    auto all = acknowledgements();
    if (other != nullptr) std::ranges::copy(other->acknowledgements(), std::back_inserter(all));
    std::map<std::string, Reign> reigns;
    std::string out;
    for (const auto& a : all) {
        auto& reign = reigns.try_emplace(a.timeline, a.server, a.at).first->second;
        reign.first = std::min(reign.first, a.at);
        if (reign.server != a.server)
            out += fmt::format("{} by {} on timeline {} of {}\n", a.id, a.server, a.timeline, reign.server);
    }
    for (const auto& a : all)
        for (auto later = reigns.upper_bound(a.timeline); later != reigns.end(); ++later)
            if (later->second.first < a.begun)
                out += fmt::format("{} by {} on timeline {} while {} was on {} already\n", a.id, a.server, a.timeline,
                                   later->second.server, later->first);
    return out;
}

std::string Ledger::missing(std::string conninfo) const {
    if (conninfo.empty()) conninfo = conninfo_;
    // First what was acknowledged: what is written while this reads is asked for the next time.
    const auto acknowledged = acknowledgements();
    pqxx::result rows;
    for (const auto deadline = Clock::now() + patience;;) {
        try {
            pqxx::connection connection(conninfo);
            rows = pqxx::nontransaction(connection).exec(fmt::format("SELECT id FROM {}", table_));
            break;
        } catch (const std::exception& e) {
            if (Clock::now() > deadline) return fmt::format("everything: no primary answers: {}", e.what());
            std::this_thread::sleep_for(pause_after_error);
        }
    }
    std::set<std::int64_t> there;
    for (const auto& row : rows) there.insert(row[0].as<std::int64_t>());
    std::string out;
    for (const auto& a : acknowledged)
        if (!there.contains(a.id)) out += fmt::format("{} acknowledged by {}\n", a.id, a.server);
    return out;
}

}  // namespace toygres::test
