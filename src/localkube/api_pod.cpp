#include "localkube/api_pod.hpp"

#include "localkube/api_status.hpp"
#include "localkube/exec_client.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::localkube {
namespace {

ObjectPtr require_pod(const ApiRequest& request, const ApiContext& context) {
    auto pod = context.store.get(request.key());
    if (!pod) raise_not_found(request.type(), request.path.name);
    return pod;
}

std::vector<std::string> container_names(const Object& pod) {
    std::vector<std::string> out;
    for (const char* list : {"containers", "initContainers"})
        for (const auto& container : pod.value("spec", Json::object()).value(list, Json::array()))
            out.push_back(container.value("name", ""));
    return out;
}

// The container that is asked for, or the only one, or the one that an annotation names.
std::string choose_container(const ApiRequest& request, const Object& pod) {
    const auto names = container_names(pod);
    const auto wanted = request.query("container");
    if (!wanted.empty()) {
        if (std::ranges::find(names, wanted) == names.end())
            raise_bad_request(fmt::format("container {} is not valid for pod {}", wanted, request.path.name));
        return wanted;
    }
    const auto annotations = pod.at("metadata").value("annotations", Json::object());
    if (const auto named = annotations.value("kubectl.kubernetes.io/default-container", ""); !named.empty())
        return named;
    const auto count = pod.value("spec", Json::object()).value("containers", Json::array()).size();
    if (count != 1)
        raise_bad_request(fmt::format("a container name must be specified for pod {}, choose one of: [{}]",
                                      request.path.name, fmt::join(names, " ")));
    return names.front();
}

std::optional<int> number(const ApiRequest& request, const char* name) {
    const auto text = request.query(name);
    if (text.empty()) return std::nullopt;
    if (text.find_first_not_of("0123456789") != std::string::npos || text.size() > 9)
        raise_bad_request(fmt::format("{}: must be a whole number that is not negative", name));
    return std::stoi(text);
}

LogQuery log_query(const ApiRequest& request, const Object& pod) {
    LogQuery out;
    out.container = choose_container(request, pod);
    out.previous = request.flag("previous");
    out.follow = request.flag("follow");
    out.timestamps = request.flag("timestamps");
    out.tail_lines = number(request, "tailLines");
    out.since_seconds = number(request, "sinceSeconds");
    if (const auto limit = number(request, "limitBytes")) out.limit_bytes = static_cast<std::size_t>(*limit);
    if (const auto text = request.query("sinceTime"); !text.empty()) {
        const auto since = parse_rfc3339(text);
        if (!since) raise_bad_request("sinceTime: must be an RFC 3339 time");
        out.since_seconds =
            static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(now() - *since).count() + 1);
    }
    return out;
}

// Sends the head with the first data, so that an error before it is a Status of its own.
class LogStream {
  public:
    explicit LogStream(http::Exchange& exchange) : exchange_(exchange) {}
    asio::awaitable<bool> write(std::string data) {
        co_await begin();
        co_return co_await exchange_.write(data);
    }
    asio::awaitable<void> begin() {
        if (begun_) co_return;
        begun_ = true;
        co_await exchange_.begin_stream(200, {{"Content-Type", "text/plain"}, {"Cache-Control", "no-cache, private"}});
    }
    bool begun() const { return begun_; }

  private:
    http::Exchange& exchange_;
    bool begun_ = false;
};

Json exit_status(int code) {
    if (code == 0) return {{"metadata", Json::object()}, {"status", "Success"}};
    return {{"metadata", Json::object()},
            {"status", "Failure"},
            {"reason", "NonZeroExitCode"},
            {"message", fmt::format("command terminated with non-zero exit code: exit status {}", code)},
            {"details", {{"causes", {{{"reason", "ExitCode"}, {"message", std::to_string(code)}}}}}}};
}

// From the process to the client, until it has said all.
asio::awaitable<void> pump_output(ExecSession& session, ExecClient& client) {
    while (auto piece = co_await session.read())
        if (!co_await client.write(piece->first, std::move(piece->second))) co_return;
    // Input that nobody will read must not hold the client's other messages up.
    session.close_stdin();
    co_await client.finish(exit_status(session.exit_code()).dump());
}

asio::awaitable<void> pump_input(ExecSession& session, ExecClient& client) {
    while (auto input = co_await client.read()) {
        if (auto* typed = std::get_if<ExecStdin>(&*input))
            co_await session.write_stdin(std::move(typed->data));
        else if (const auto* size = std::get_if<ExecResize>(&*input))
            session.resize(size->columns, size->rows);
        else
            session.close_stdin();
    }
}

}  // namespace

asio::awaitable<void> pod_log(const ApiRequest& request, ApiContext& context, http::Exchange& exchange) {
    const auto pod = require_pod(request, context);
    const auto query = log_query(request, *pod);
    LogStream stream(exchange);
    // A follower waits for lines; its head must not.
    if (query.follow) {
        auto probe = query;
        probe.follow = false;
        probe.limit_bytes = 0;
        const auto possible =
            co_await context.node.logs(pod, probe, [](std::string_view) -> asio::awaitable<bool> { co_return false; });
        if (!possible) throw ErrorException(possible.error());
        co_await stream.begin();
    }
    const auto write = [&stream](std::string_view data) { return stream.write(std::string(data)); };
    using namespace asio::experimental::awaitable_operators;
    if (query.follow) {
        co_await (context.node.logs(pod, query, write) || exchange.closed());
        co_return;
    }
    const auto result = co_await context.node.logs(pod, query, write);
    if (!result && !stream.begun()) throw ErrorException(result.error());
    co_await stream.begin();
}

asio::awaitable<void> pod_exec(const ApiRequest& request, ApiContext& context, http::Exchange& exchange) {
    const auto pod = require_pod(request, context);
    const auto container = choose_container(request, *pod);
    std::vector<std::string> command;
    for (const auto& [name, value] : request.target.query)
        if (name == "command") command.push_back(value);
    if (command.empty()) raise_bad_request("you must specify at least one command for the container");
    const auto client = make_exec_client(request);
    const bool with_stdin = request.flag("stdin");
    auto session =
        value_or_raise(context.node.exec(pod, container, std::move(command), request.flag("tty"), with_stdin));
    if (!co_await client->open(exchange)) co_return session->kill();
    using namespace asio::experimental::awaitable_operators;
    const auto first = co_await (pump_output(*session, *client) || pump_input(*session, *client));
    // The client left before the process ended.
    if (first.index() == 1) session->kill();
}

}  // namespace toygres::localkube
