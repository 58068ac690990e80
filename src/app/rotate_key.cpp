#include "app/rotate_key.hpp"

#include "app/installation.hpp"
#include "base/asio.hpp"
#include "base/file.hpp"
#include "base/seal_keys.hpp"
#include "base/time.hpp"
#include "kube/certificates.hpp"
#include "kube/client.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <thread>

namespace toygres::app {
namespace {

using Change = std::function<Result<std::string>(std::string_view)>;

void change_file(const std::string& path, const Change& change) {
    const auto text = value_or_raise(read_file(path));
    auto changed = change(text);
    if (!changed) raise(ErrorKind::invalid, "bad_seal_key", fmt::format("{}: {}", path, changed.error().message));
    value_or_raise(write_file_atomically(path, *changed, 0600));
}

// By the resourceVersion: of two that do this at once, one is refused.
asio::awaitable<void> change_secret(kube::Client& kube, std::string ns, std::string name, const Change& change) {
    auto secret = value_or_raise(co_await kube.get(kube::resource("Secret", ns, name)));
    const auto text = value_or_raise(kube::secret_value(secret, installation_seal_key));
    kube::set_keys(secret, {{installation_seal_key, value_or_raise(change(text.reveal()))}});
    value_or_raise(co_await kube.replace(std::move(secret)));
}

void change_keys(const RotateKeyConfig& config, const Change& change) {
    if (!config.seal_key_file.empty()) return change_file(config.seal_key_file, change);
    const auto access = value_or_raise(kube::find_access("", ""));
    asio::io_context io;
    kube::Client kube(io.get_executor(), access);
    std::exception_ptr failure;
    asio::co_spawn(io, change_secret(kube, access.default_ns, config.installation_secret, change),
                   [&](std::exception_ptr e) { failure = e; });
    io.run();
    if (failure) std::rethrow_exception(failure);
}

std::chrono::milliseconds wait_of(const RotateKeyConfig& config) {
    if (config.wait.count() > 0) return config.wait;
    return 3 * (config.seal_key_file.empty() ? key_secret_interval : key_file_interval);
}

}  // namespace

int run_rotate_key(const RotateKeyConfig& config) {
    try {
        change_keys(config, &with_new_key);
        const auto wait = wait_of(config);
        fmt::print(stderr, "A new key is there; it seals in {}, when every server has read it.\n",
                   format_duration(wait));
        std::this_thread::sleep_for(wait);
        change_keys(config, &with_last_key_first);
        fmt::print("The new key seals. The one before it still opens; the next rotation drops it.\n");
        return 0;
    } catch (...) {
        const auto error = current_error();
        fmt::print(stderr, "toygres: {}\n", error.message);
        return error.kind == ErrorKind::not_found ? 3 : 1;
    }
}

}  // namespace toygres::app
