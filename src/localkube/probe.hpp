// One attempt of a container's probe: a command, an HTTP request or a TCP connection.
#pragma once
#include "base/asio.hpp"
#include "localkube/container_exec.hpp"

#include <memory>
#include <optional>
#include <string>

namespace toygres::http {
class Client;
}

namespace toygres::localkube {

struct ProbeOutcome {
    bool ok;
    std::string message;  // of a failure
};

class Probe {
  public:
    // `spec` is the probe as in the pod; `address` the pod's, which httpGet and tcpSocket go to unless they name a
    // host.
    Probe(asio::io_context& io, Object spec, const Object& container, std::string address);
    ~Probe();

    // `target` is where a command runs; the other kinds need none. Takes no longer than timeoutSeconds.
    asio::awaitable<ProbeOutcome> attempt(std::optional<ExecTarget> target);

    std::chrono::seconds initial_delay() const;
    std::chrono::seconds period() const;
    int success_threshold() const;
    int failure_threshold() const;
    // A command costs a process: only the others are worth asking more often than asked for while nothing is up yet.
    bool is_cheap() const { return !spec_.contains("exec"); }

  private:
    asio::awaitable<ProbeOutcome> request();
    asio::awaitable<ProbeOutcome> connect();
    int port(const Object& value) const;

    asio::io_context& io_;
    Object spec_;
    Object ports_;  // of the container, for ports given by name
    std::string address_;
    std::unique_ptr<http::Client> client_;
};

}  // namespace toygres::localkube
