// A request: a byte for the route, a line for the query, the body. What is wrong with it is the answer, never a 500.
#include "api/api.hpp"
#include "api/page.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/silent_exchange.hpp"
#include "runtime/store/memory_store.hpp"

using namespace toygres;

namespace {

using api::Call;

// Everything that a route may want, none of which answers: what gets so far was accepted.
struct Services {
    asio::io_context io;
    runtime::SystemClock clock{io.get_executor()};
    std::shared_ptr<pg::Pool> pool =
        std::make_shared<pg::Pool>(io.get_executor(), pg::PoolOptions{.conninfo = "", .search_path = ""});
    std::shared_ptr<runtime::MemoryDatabase> database = std::make_shared<runtime::MemoryDatabase>([] { return now(); });
    runtime::MemoryStore store{io.get_executor(), database};
    runtime::Client client{io.get_executor(), store, clock};
    kube::Client kube{io.get_executor(), kube::Access{.source = "test",
                                                      .server = "http://127.0.0.1:1",
                                                      .default_ns = "toygres",
                                                      .tls = {},
                                                      .token = {},
                                                      .token_file = {}}};
    Sealer sealer = value_or_raise(Sealer::from_key(Secret(std::string(32, 'k'))));
    api::ApiServices all{.io = io,
                         .pool = pool,
                         .client = client,
                         .kube = kube,
                         .sealer = sealer,
                         .ns = "toygres",
                         .postgres_versions = {"14", "15"},
                         .readiness = [] { return api::Readiness{true, true, true}; },
                         .ask_members = {},
                         .find_drift = [](std::chrono::milliseconds, bool) -> asio::awaitable<Json> {
                             co_return Json{{"findings", Json::array()}};
                         },
                         .view_runtime = [](const std::string&, std::size_t) { return Json::object(); },
                         .knows_orchestration = [](const std::string& type) { return type == "child"; }};

    Services() {
        pool->close();
        store.set_available(false);
    }
};

// Routes that read something of a request; the others give all of it away.
const std::vector<api::Route>& routes() {
    static const auto out = [] {
        auto all = api::all_routes();
        std::erase_if(all, [](const api::Route& route) { return route.needs == api::Needs::nothing; });
        return all;
    }();
    return out;
}

// {name} and the like as "x".
std::string path_of(const api::Route& route, std::map<std::string, std::string, std::less<>>& params) {
    std::string out;
    auto pattern = route.pattern;
    for (auto open = pattern.find('{'); open != pattern.npos; open = pattern.find('{')) {
        const auto close = pattern.find('}', open);
        out += pattern.substr(0, open);
        out += 'x';
        params.emplace(pattern.substr(open + 1, close - open - 1), "x");
        pattern.remove_prefix(close + 1);
    }
    return out + std::string(pattern);
}

// Handlers that are no coroutines may throw before there is anything to wait for.
asio::awaitable<http::Response> answer(const api::Route& route, Call& call) { co_return co_await route.handle(call); }

// The error that the caller would be told of; nullopt: it got on, or waits for what does not answer.
std::optional<Error> failure_of(asio::io_context& io, Call& call, const api::Route& route) {
    std::optional<Error> out;
    bool done = false;
    const auto note = [&](std::exception_ptr failure, const auto&) {
        done = true;
        if (!failure) return;
        try {
            std::rethrow_exception(failure);
        } catch (...) {
            out = current_error();
        }
    };
    asio::cancellation_signal give_up;
    asio::co_spawn(io, answer(route, call), asio::bind_cancellation_slot(give_up.slot(), note));
    io.restart();
    io.poll();
    auto said = out;
    if (!done) give_up.emit(asio::cancellation_type::terminal);
    while (!done) io.run_one();
    return said;
}

void check_tokens(const Call& call) {
    try {
        if (const auto cursor = api::time_cursor(call)) {
            fuzz::SilentExchange first({"GET", "/", {}, {}, {}});
            const auto token = api::page_token(Call(first, call.services()), *cursor);
            fuzz::SilentExchange exchange({"GET", "/?page_token=" + token, {}, {}, {}});
            const Call again(exchange, call.services());
            const auto same = api::time_cursor(again);
            TG_ASSERT(same && same->created_at == cursor->created_at && same->id == cursor->id);
        }
    } catch (const ErrorException& e) {
        fuzz::expect_refusal(e.error());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    static Services services;
    const auto& route = routes()[data[0] % routes().size()];
    auto text = fuzz::text_of(data, size).substr(1);
    const std::string query(fuzz::take_line(text));
    std::map<std::string, std::string, std::less<>> params;
    auto target = path_of(route, params);
    if (!query.empty()) target += "?" + query;
    fuzz::SilentExchange exchange(
        {std::string(route.method), target, {{"Content-Type", "application/json"}}, std::string(text), {}});
    Call call(exchange, services.all);
    try {
        call.check_target();
    } catch (const ErrorException& e) {
        TG_ASSERT(api::status_of(e.error()) == 400);
        return 0;
    }
    check_tokens(call);
    call.set_params(std::move(params));
    call.set_caller({.name = "fuzz", .owner = "fuzz", .role = api::Role::admin, .token = Secret("t")});
    const auto failure = failure_of(services.io, call, route);
    if (!failure) return 0;
    const int status = api::status_of(*failure);
    TG_ASSERT(status != 500);
    if (failure->kind != ErrorKind::invalid) return 0;
    const auto told = value_or_raise(parse_json(api::problem(*failure, "r").body));
    TG_ASSERT(status >= 400 && status < 500 && !told.at("detail").get<std::string>().empty());
    return 0;
}
