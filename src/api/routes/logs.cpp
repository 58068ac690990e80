#include "api/route.hpp"
#include "base/event.hpp"
#include "cms/instances.hpp"
#include "kube/manifests.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <deque>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;
using asio::experimental::awaitable_operators::operator||;

constexpr auto silence_max = 24h;  // of a log that is followed
constexpr std::size_t backlog_max_bytes = 8 << 20;

// Pieces of a log on their way from the cluster to the caller.
struct Pipe {
    explicit Pipe(const asio::any_io_executor& executor) : changed(executor) {}
    std::string pending;
    bool ended = false;
    bool overflown = false;
    Event changed;
};

asio::awaitable<Result<void>> fill(Pipe& pipe, Call& call, std::string ns, std::string pod, kube::LogOptions options) {
    auto done = co_await call.services().kube.logs(ns, pod, options, silence_max, [&pipe](std::string_view piece) {
        pipe.overflown = pipe.pending.size() + piece.size() > backlog_max_bytes;
        if (!pipe.overflown) pipe.pending += piece;
        pipe.changed.notify();
        return !pipe.overflown;
    });
    pipe.ended = true;
    pipe.changed.notify();
    co_return done;
}

// Starts the answer with the first piece, so that a log that cannot be had is still a problem document. Returns when
// all is written or the client has left.
asio::awaitable<void> drain(Pipe& pipe, Call& call) {
    for (;;) {
        if (!pipe.pending.empty()) {
            if (!call.streaming()) co_await call.begin_stream({{"Content-Type", "text/plain; charset=utf-8"}});
            const auto text = std::exchange(pipe.pending, {});
            if (!co_await call.exchange().write(text)) co_return;
            continue;
        }
        if (pipe.ended) co_return;
        co_await pipe.changed.wait();
    }
}

asio::awaitable<Result<void>> copy(Pipe& pipe, Call& call, std::string ns, std::string pod, kube::LogOptions options) {
    using asio::experimental::awaitable_operators::operator&&;
    co_return co_await (fill(pipe, call, std::move(ns), std::move(pod), std::move(options)) && drain(pipe, call));
}

Error no_log(Error error, const cms::Instance& instance, const std::string& pod, bool previous) {
    if (error.code == "kube_not_found")
        return {ErrorKind::not_found, "pod_not_found",
                fmt::format("the instance {} is {} and has no pod {}", instance.name, instance.state, pod)};
    if (error.code == "kube_invalid")
        return {ErrorKind::conflict, "no_log",
                fmt::format("the pod {} has no {}log{}", pod, previous ? "previous " : "", previous ? "" : " yet")};
    return error;
}

// text/plain as the pod wrote it; with ?follow=true until the client leaves or the pod ends.
asio::awaitable<http::Response> get_logs(Call& call) {
    call.expect_query({"tail", "follow", "previous", "member", "timestamps"});
    const auto member = call.query_number("member", 1, 9).value_or(1);
    const kube::LogOptions options{.container = "postgres",
                                   .follow = call.query_flag("follow"),
                                   .previous = call.query_flag("previous"),
                                   .timestamps = call.query_flag("timestamps"),
                                   .tail_lines = static_cast<int>(call.query_number("tail", 0, 100'000).value_or(200))};
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return cms::find_instance(db, call.param("name")); });
    const auto pod = kube::member_pod(instance.k8s_name, member);
    Pipe pipe(call.services().io.get_executor());
    const auto ended = co_await (copy(pipe, call, instance.ns, pod, options) || call.exchange().closed());
    if (ended.index() == 1) co_return http::Response{200, {}, {}};
    const auto& done = std::get<0>(ended);
    if (pipe.overflown) raise(ErrorKind::transient, "reader_too_slow", "the log comes faster than it is read");
    if (!done) throw ErrorException(no_log(done.error(), instance, pod, options.previous));
    co_return http::Response{200, {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}}, {}};
}

constexpr Route routes[] = {
    {"GET", "/api/v1/instances/{name}/logs", Needs::viewer, get_logs},
};

}  // namespace

std::span<const Route> log_routes() { return routes; }

}  // namespace toygres::api
