#include "agent/psql_session.hpp"

#include "agent/psql.hpp"
#include "base/process.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace toygres::agent {
namespace {

using asio::experimental::awaitable_operators::operator&&;
using asio::experimental::awaitable_operators::operator||;

// Said by psql itself behind the rows of each question.
constexpr std::string_view end_mark = "~ end of the answer ~\n";
constexpr std::size_t answer_limit_bytes = 1 << 20;

// Ends that are still here are closed.
struct PipeEnds {
    std::array<int, 2> ends{-1, -1};
    PipeEnds() {
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) raise(ErrorKind::internal, "no_pipe", "no pipe can be made");
    }
    ~PipeEnds() {
        for (const int end : ends)
            if (end >= 0) ::close(end);
    }
    PipeEnds(const PipeEnds&) = delete;
    PipeEnds& operator=(const PipeEnds&) = delete;
    void give(std::size_t which, asio::posix::stream_descriptor& to) {
        to.assign(ends.at(which));
        ends.at(which) = -1;
    }
};

}  // namespace

struct PsqlSession::Process {
    explicit Process(const asio::any_io_executor& executor) : in(executor), out(executor), err(executor) {}
    std::unique_ptr<Child> child;
    asio::posix::stream_descriptor in;
    asio::posix::stream_descriptor out;
    asio::posix::stream_descriptor err;
    std::string unread;

    // What it said last before it went.
    std::string last_words() {
        std::array<char, 4096> said{};
        boost::system::error_code ignored;
        err.non_blocking(true, ignored);
        const auto n = err.read_some(asio::buffer(said), ignored);
        std::string text(said.data(), n);
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text.empty() ? "psql ended" : text.substr(text.rfind('\n') + 1);
    }
};

PsqlSession::PsqlSession(asio::any_io_executor executor, const Options& options, Binaries binaries)
    : executor_(std::move(executor)), options_(options), binaries_(std::move(binaries)) {}

PsqlSession::~PsqlSession() = default;

// Whoever waits for its answer need not wait any longer.
void PsqlSession::close() {
    if (process_) process_->child->signal(SIGKILL);
    process_.reset();
}

Result<void> PsqlSession::open() {
    auto process = std::make_shared<Process>(executor_);
    const auto command = local_psql(options_, binaries_);
    try {
        PipeEnds in;
        PipeEnds out;
        PipeEnds err;
        in.give(1, process->in);
        out.give(0, process->out);
        err.give(0, process->err);
        process->child = std::make_unique<Child>(executor_, command, Streams{in.ends[0], out.ends[1], err.ends[1]});
    } catch (const std::exception&) {
        return std::unexpected(current_error());
    }
    process_ = std::move(process);
    return {};
}

asio::awaitable<Result<std::string>> PsqlSession::exchange(std::shared_ptr<Process> process, std::string script,
                                                           std::chrono::milliseconds limit) {
    asio::steady_timer deadline(executor_, limit);
    const auto done =
        co_await ((asio::async_write(process->in, asio::buffer(script), use) &&
                   asio::async_read_until(process->out, asio::dynamic_buffer(process->unread, answer_limit_bytes),
                                          std::string(end_mark), use)) ||
                  deadline.async_wait(use));
    if (done.index() == 1)
        co_return std::unexpected(Error{ErrorKind::timeout, "command_timed_out",
                                        fmt::format("psql gave no answer within {} ms", limit.count())});
    const auto [read_error, size] = std::get<2>(std::get<0>(done));
    if (read_error)
        co_return std::unexpected(
            Error{ErrorKind::transient, "psql_failed", fmt::format("psql: {}", process->last_words())});
    auto answer = process->unread.substr(0, size - end_mark.size());
    process->unread.erase(0, size);
    co_return answer;
}

asio::awaitable<Result<std::string>> PsqlSession::ask(std::string query, std::chrono::milliseconds limit) {
    auto script = fmt::format("{}\n\\echo {}", query, end_mark);
    for (;;) {
        const bool fresh = process_ == nullptr;
        if (fresh)
            if (auto opened = open(); !opened) co_return std::unexpected(opened.error());
        const auto process = process_;
        auto answer = co_await exchange(process, script, limit);
        if (answer) co_return answer;
        if (process_ == process) process_.reset();
        // A session of a server that went says so at the next question; a new one knows better.
        if (fresh || answer.error().kind == ErrorKind::timeout) co_return answer;
    }
}

}  // namespace toygres::agent
