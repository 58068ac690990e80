#include "unit/localkube/test_node.hpp"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace toygres::localkube::test {
namespace {

// What the coroutines of one process share.
struct Running {
    Running(asio::io_context& io, const std::vector<std::string>& command, int in, int out, int err)
        : child(io.get_executor(), {.argv = command}, {.in = in, .out = out, .err = err}), changed(io.get_executor()) {}
    Child child;
    Event changed;
    std::deque<std::pair<int, std::string>> output;
    int open_streams = 2;
    std::optional<ExitStatus> status;
};

asio::awaitable<void> read_stream(std::shared_ptr<Running> running, asio::readable_pipe pipe, int stream) {
    std::array<char, 4096> piece;
    while (true) {
        const auto [error, size] = co_await pipe.async_read_some(asio::buffer(piece), use);
        if (size > 0) running->output.emplace_back(stream, std::string(piece.data(), size));
        if (error) --running->open_streams;
        running->changed.notify();
        if (error) co_return;
    }
}

asio::awaitable<void> wait_for_exit(std::shared_ptr<Running> running) {
    running->status = co_await running->child.wait();
    running->changed.notify();
}

class ProcessSession : public ExecSession {
  public:
    ProcessSession(TestNode& node, std::shared_ptr<Running> running, asio::writable_pipe in)
        : node_(node), running_(std::move(running)), in_(std::move(in)) {}
    ~ProcessSession() override { kill(); }

    asio::awaitable<std::optional<std::pair<int, std::string>>> read() override {
        while (running_->output.empty() && (running_->open_streams > 0 || !running_->status))
            co_await running_->changed.wait();
        if (running_->output.empty()) co_return std::nullopt;
        auto out = std::move(running_->output.front());
        running_->output.pop_front();
        co_return out;
    }
    asio::awaitable<void> write_stdin(std::string data) override {
        co_await asio::async_write(in_, asio::buffer(data), use);
    }
    void close_stdin() override {
        boost::system::error_code ignored;
        in_.close(ignored);
    }
    void resize(int columns, int) override { node_.columns = columns; }
    int exit_code() const override { return running_->status ? running_->status->code : -1; }
    void kill() override {
        if (!running_->status) running_->child.signal(SIGKILL);
    }

  private:
    TestNode& node_;
    std::shared_ptr<Running> running_;
    asio::writable_pipe in_;
};

}  // namespace

asio::awaitable<Result<void>> TestNode::logs(ObjectPtr, LogQuery query,
                                             std::function<asio::awaitable<bool>(std::string_view)> on_data) {
    const auto it = lines.find(query.container);
    if (it == lines.end())
        co_return std::unexpected(
            Error{ErrorKind::invalid, "container_waiting",
                  "container \"" + query.container + "\" is waiting to start: ContainerCreating"});
    const auto count = it->second.size();
    const auto tail =
        query.tail_lines ? std::min<std::size_t>(count, static_cast<std::size_t>(*query.tail_lines)) : count;
    for (std::size_t i = count - tail; i < count; ++i)
        if (!co_await on_data(it->second[i] + "\n")) co_return Result<void>();
    if (query.follow) {
        Event never(co_await asio::this_coro::executor);
        while (true) co_await never.wait();
    }
    co_return Result<void>();
}

Result<std::unique_ptr<ExecSession>> TestNode::exec(ObjectPtr, const std::string& container,
                                                    std::vector<std::string> command, bool, bool with_stdin) {
    if (container == "stopped")
        return std::unexpected(Error{ErrorKind::invalid, "container_not_running", "container stopped is not running"});
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    for (auto* pair : {&in, &out, &err})
        if (::pipe2(pair->data(), O_CLOEXEC) != 0) raise(ErrorKind::internal, "pipe_failed", "no pipe");
    auto running = std::make_shared<Running>(io_, command, in[0], out[1], err[1]);
    for (const int fd : {in[0], out[1], err[1]}) ::close(fd);
    asio::co_spawn(io_, read_stream(running, asio::readable_pipe(io_, out[0]), 1), asio::detached);
    asio::co_spawn(io_, read_stream(running, asio::readable_pipe(io_, err[0]), 2), asio::detached);
    asio::co_spawn(io_, wait_for_exit(running), asio::detached);
    auto session = std::make_unique<ProcessSession>(*this, running, asio::writable_pipe(io_, in[1]));
    if (!with_stdin) session->close_stdin();
    return session;
}

}  // namespace toygres::localkube::test
