// An API server in this process, on a thread of its own, and kubectl as a child process that talks to it.
#pragma once
#include "base/x509.hpp"
#include "localkube/api_server.hpp"
#include "support/catch.hpp"
#include "unit/localkube/test_node.hpp"

#include <filesystem>
#include <future>
#include <string>
#include <thread>

namespace toygres::localkube::test {

struct Output {
    int code;
    std::string out;
    std::string err;
};

class ApiFixture {
  public:
    ApiFixture();
    ~ApiFixture();

    // Runs kubectl with these (shell-quoted) arguments as the admin, in namespace default.
    Output kubectl(const std::string& arguments, const std::string& input = {});
    // The same, as a service account "namespace:name".
    Output kubectl_as(const std::string& service_account, const std::string& arguments);
    // Fails the test when kubectl fails; its stdout.
    std::string ok(const std::string& arguments, const std::string& input = {});
    Json get(const std::string& what);

    // A plain request as the admin; the Status or object that comes back.
    Json call(const std::string& method, const std::string& path, const Json& body = nullptr,
              const std::string& content_type = "application/json", int* status = nullptr);

    // Runs `f` where the store lives.
    template <class F> auto on_server(F f) {
        std::packaged_task<decltype(f())()> task(std::move(f));
        auto result = task.get_future();
        asio::post(io_, [&task] { task(); });
        return result.get();
    }
    ObjectStore& store() { return *store_; }
    TestNode& node() { return node_; }
    // Put in front of kubectl's command line: "NAME=value".
    std::string environment{};
    // kubectl and the options that make it talk to this server.
    std::vector<std::string> kubectl_words() const;
    std::string path(const std::string& name) const { return (dir_ / name).string(); }
    std::string url() const;
    const CertificatePair& ca() const { return ca_; }

  private:
    Output run(const std::string& kubeconfig, const std::string& arguments, const std::string& input);
    std::string write_kubeconfig(const std::string& name, const std::string& token);

    std::filesystem::path dir_;
    asio::io_context io_;
    CertificatePair ca_;
    std::unique_ptr<ObjectStore> store_;
    TestNode node_;
    std::unique_ptr<ApiServer> server_;
    std::string admin_config_;
    std::thread thread_;
};

// A program that runs on beside the test, line by line; ended with the object.
class Following {
  public:
    explicit Following(std::vector<std::string> words);
    // kubectl with these arguments.
    Following(ApiFixture& fixture, const std::vector<std::string>& arguments);
    ~Following();
    // The next line that contains `part`; fails the test after half a minute.
    std::string line_with(const std::string& part);
    // Waits for its end.
    int exit_code();

  private:
    pid_t pid_ = -1;
    int fd_ = -1;
    std::string buffer_;
};

// Looks again until it holds; fails the test after half a minute.
void eventually(const std::function<bool()>& holds);

bool has(const std::string& text, std::string_view part);

// A StatefulSet of one pod, as YAML.
std::string stateful_set_yaml(const std::string& name, int replicas = 1, const std::string& image = "busybox:1");
std::string pod_yaml(const std::string& name, const std::string& labels = "app: x");

}  // namespace toygres::localkube::test
