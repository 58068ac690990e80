// One `toygres server` of the benchmark's own, on a CMS of its own, and its REST API.
#pragma once
#include "base/asio.hpp"
#include "base/json.hpp"
#include "http/client.hpp"

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

namespace toygres::bench {

struct ControlPlaneOptions {
    std::string program;
    std::string conninfo;
    std::string kubeconfig;
    std::string directory;  // key and log; is there
};

class ControlPlane {
  public:
    // Brings the schema up, makes a token and starts the server; ready when this returns.
    explicit ControlPlane(ControlPlaneOptions options);
    ~ControlPlane();
    ControlPlane(const ControlPlane&) = delete;
    ControlPlane& operator=(const ControlPlane&) = delete;

    pid_t pid() const { return pid_; }
    void kill();
    void start();
    // Until it says that it is ready. Throws timeout/"server_not_ready" with the end of its log.
    void wait_ready();
    // Throws internal/"server_ended" with the end of its log when its process is no more.
    void require_alive() const;

    // Creates these at once, `at_once_max` requests under way at any time; how long each answer took. Throws
    // internal/"api_refused" with the first answer that is no 202.
    std::vector<double> create(const std::vector<std::string>& names, const std::string& check_interval,
                               std::size_t at_once_max);
    // One request after the other, every `pause`, until told to stop; how long each answer took.
    asio::awaitable<void> knock(std::string target, std::chrono::milliseconds pause, const bool& stop,
                                std::vector<double>& took_ms);

    // How many open orchestrations the server has taken up; none while it does not answer.
    double live_orchestrations();

    asio::io_context io;

  private:
    asio::awaitable<void> create_one(std::string name, std::string check_interval, double& took_ms);
    std::string end_of_log() const;
    asio::awaitable<Result<http::Response>> call(std::string method, std::string target, Json body);

    ControlPlaneOptions options_;
    std::string token_;
    pid_t pid_ = 0;
    http::Client http_;
};

}  // namespace toygres::bench
