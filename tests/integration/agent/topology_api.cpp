#include "topology_api.hpp"

namespace toygres::test {

TopologyApi::TopologyApi(const std::string& token)
    : token_(token), ca_(make_ca("api", std::chrono::hours(1))), changed_(io_.get_executor()) {
    const auto server = issue_certificate(ca_, {"api", {}, {"127.0.0.1"}, std::chrono::hours(1), true, false});
    http::ServerOptions options;
    options.tls = http::ServerTls{server.certificate_pem, server.private_key_pem.reveal(), {}, false};
    server_ = std::make_unique<http::Server>(io_, options, [this](http::Exchange& e) { return answer(e); });
    server_->start();
    thread_ = std::thread([this] {
        const auto guard = asio::make_work_guard(io_);
        io_.run();
    });
}

TopologyApi::~TopologyApi() {
    asio::post(io_, [this] {
        stopping_ = true;
        changed_.notify();
        asio::co_spawn(io_, server_->stop(std::chrono::milliseconds(0)), [this](std::exception_ptr) { io_.stop(); });
    });
    thread_.join();
}

void TopologyApi::set(const ha::Topology& topology) {
    asio::post(io_, [this, text = ha::format_topology(topology)] {
        text_ = text;
        ++version_;
        changed_.notify();
    });
}

Json TopologyApi::object() const {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata",
             {{"name", "db-0a1b2c3d-topology"}, {"namespace", "test"}, {"resourceVersion", std::to_string(version_)}}},
            {"data", {{"topology.json", text_}}}};
}

asio::awaitable<void> TopologyApi::answer(http::Exchange& exchange) {
    const auto target = *http::Target::parse(exchange.request().target);
    const bool known = target.path == "/api/v1/namespaces/test/configmaps" &&
                       target.get("fieldSelector") == "metadata.name=db-0a1b2c3d-topology";
    if (!known || exchange.request().headers.get("Authorization") != "Bearer " + token_) {
        co_await exchange.respond({403, {}, "{}"});
    } else if (target.get("watch")) {
        co_await watch(exchange, std::stoi(target.get("resourceVersion").value_or("0")));
    } else {
        Json list = {{"metadata", {{"resourceVersion", std::to_string(version_)}}}, {"items", Json::array()}};
        if (!text_.empty()) list["items"].push_back(object());
        co_await exchange.respond({200, {}, list.dump()});
    }
}

asio::awaitable<void> TopologyApi::watch(http::Exchange& exchange, int from) {
    co_await exchange.begin_stream(200, {});
    int told = from;
    while (!stopping_) {
        if (told < version_) {
            told = version_;
            const Json event = {{"type", "MODIFIED"}, {"object", object()}};
            if (!co_await exchange.write(event.dump() + "\n")) co_return;
        } else {
            co_await changed_.wait();
        }
    }
}

}  // namespace toygres::test
