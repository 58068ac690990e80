#include "kube/topologies.hpp"

#include "base/log.hpp"
#include "ha/topology.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"
#include "kube/watch.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace toygres::kube {
namespace {

using namespace std::chrono_literals;
using asio::experimental::awaitable_operators::operator||;

constexpr auto knock_interval = 2s;
constexpr auto knock_timeout = 8s;  // a server under load is slow, and a new list would make it slower
constexpr auto pause_after_failure = 5s;
constexpr auto read_age_max = 5s;

// Until the API does not answer well. A watch alone would not tell: where nothing changes, nothing is sent.
asio::awaitable<void> knock(Client& kube, std::string ns) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    // Any answer for an object that need not exist.
    const auto ref = resource("ConfigMap", ns, "toygres-knock");
    for (;;) {
        timer.expires_after(knock_timeout);
        const auto first = co_await (kube.get(ref) || timer.async_wait(use));
        if (first.index() == 1) co_return;
        const auto& answer = std::get<0>(first);
        if (!answer && answer.error().kind != ErrorKind::not_found) co_return;
        timer.expires_after(knock_interval);
        co_await timer.async_wait(use);
    }
}

}  // namespace

const std::string* Topologies::told(const std::string& ns, const std::string& k8s_name) {
    auto& known = namespaces_[ns];
    if (!known) {
        known = std::make_shared<Namespace>();
        asio::co_spawn(kube_.executor(), follow(kube_, ns, known), asio::detached);
    }
    const auto name = topology_config_map(k8s_name);
    if (known->listed) {
        const auto it = known->texts.find(name);
        return it == known->texts.end() ? nullptr : &it->second;
    }
    const auto it = known->read.find(name);
    const auto oldest = std::chrono::steady_clock::now() - read_age_max;
    return it == known->read.end() || it->second.at < oldest ? nullptr : &it->second.text;
}

void Topologies::note_read(const std::string& ns, const std::string& k8s_name, std::string text) {
    const auto it = namespaces_.find(ns);
    if (it == namespaces_.end() || it->second->listed) return;
    it->second->read[topology_config_map(k8s_name)] = {std::move(text), std::chrono::steady_clock::now()};
}

asio::awaitable<void> Topologies::watch_once(Client& kube, std::string ns, std::shared_ptr<Namespace> known) {
    const auto done = co_await watch(
        kube, resource("ConfigMap", ns, ""), {.labels = managed_selector()},
        std::chrono::steady_clock::time_point::max(),
        [known](Change change, const Json& object) {
            const auto name = text_at(object, "/metadata/name");
            if (change == Change::deleted)
                known->texts.erase(name);
            else
                known->texts[name] = text_at(object, "/data/" + std::string(ha::topology_key));
            return true;
        },
        [known] {
            known->read.clear();
            return known->listed = true;
        },
        // What happened meanwhile is not known before the next list.
        [](const Error&) { return false; });
    if (!done)
        log::warning("topologies.not_watched",
                     {{"namespace", ns}, {"code", done.error().code}, {"message", done.error().message}});
}

asio::awaitable<void> Topologies::follow(Client& kube, std::string ns, std::shared_ptr<Namespace> known) {
    asio::steady_timer timer(kube.executor());
    for (;;) {
        co_await (watch_once(kube, ns, known) || knock(kube, ns));
        *known = {};
        timer.expires_after(pause_after_failure);
        co_await timer.async_wait(use);
    }
}

}  // namespace toygres::kube
