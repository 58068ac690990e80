// A whole toygres of the test's own: `toygres up` in a temporary directory, spoken to as its users do, killed as they
// fear. What is virtual another kind of stack does in its own way (tests/real); the rest is of this kind alone, or
// stands on that.
#pragma once
#include "base/json.hpp"
#include "http/message.hpp"
#include "patience.hpp"
#include "support/catch.hpp"

#include <pqxx/pqxx>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace toygres::test {

struct Ran {
    int code;
    std::string output;  // stdout and stderr
};
// Runs a command line by the shell, to its end.
Ran shell(const std::string& command);

class Stack {
  public:
    Stack();
    virtual ~Stack();
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;

    // Starts whatever does not run. `crash_at`: see base/crash_point.hpp; only a server that is started by this call.
    virtual void up(const std::string& crash_at = {});
    virtual std::string api_url() const;
    virtual std::string token() const;
    virtual std::string kubeconfig() const;  // its path
    virtual std::string database() const;    // of the CMS: a connection string
    // The command-line program against this stack: "create mydb --wait".
    Ran cli(const std::string& arguments) const;
    // With the stack's token unless headers say otherwise. A server that is away: status 0.
    http::Response call(const std::string& method, const std::string& target, const Json& body = nullptr,
                        http::Headers headers = {}) const;
    http::Response call_text(const std::string& method, const std::string& target, std::string body,
                             http::Headers headers) const;
    // The same to another server's URL. One that does not answer within `patience`: status 0.
    http::Response call_at(const std::string& url, const std::string& method, const std::string& target,
                           const Json& body = nullptr,
                           std::chrono::milliseconds patience = std::chrono::seconds(30)) const;

    int server_pid() const;
    void signal_server(int number) const;
    // Until the server's process is gone.
    void wait_for_death() const;
    bool server_runs() const;
    // A further server on the same CMS and cluster, on a port of its own; its pid and URL.
    struct Extra {
        int pid;
        std::string url;
    };
    struct ExtraOptions {
        std::string kubeconfig{};                // empty: the cluster's own
        std::vector<std::string> environment{};  // "NAME=value"
        std::string database_url{};              // empty: the stack's own CMS
    };
    Extra start_extra_server(const ExtraOptions& options);
    Extra start_extra_server() { return start_extra_server({}); }
    // The server is killed, and another one is there in its place, under its address, as long as this lives.
    class StandIn {
      public:
        StandIn(Stack& stack, const ExtraOptions& options);
        StandIn(const StandIn&) = delete;
        StandIn& operator=(const StandIn&) = delete;
        ~StandIn();

      private:
        Stack& stack_;
        int pid_;
    };
    int cms_pid() const;
    void restart_cms(const std::string& mode) const;
    void stop_cms() const;  // as in a crash
    void start_cms() const;
    int cluster_pid() const;  // of the embedded cluster: API server, controllers and node in one

    pqxx::result sql(const std::string& query) const;
    std::string value(const std::string& query) const;  // of the first row and column; empty when there is none
    // What v_invariants says, one line each.
    std::string broken_invariants() const;
    // Kubernetes objects labelled as the product's, "Kind name" each; volumes on disk; pods' processes.
    std::vector<std::string> objects() const;
    virtual std::vector<std::string> volumes() const;

    // POST, and the operation's id (fails the test unless 202). A single member, unless `more` says something about
    // replication.
    std::string create(const std::string& name, Json more = Json::object()) const;
    std::string remove(const std::string& name) const;
    // Until the operation has ended; its document. Survives a server that is away.
    Json wait_operation(const std::string& id, int seconds = patience_s) const;
    // SELECT 1 as the user would.
    bool can_connect(const std::string& name) const;

    std::string directory;
    std::string environment_more;  // "NAME=value", for what is started from now on
    std::string binaries;

  protected:
    // "NAME=value …", for the command-line program.
    virtual std::string environment() const;

  private:
    http::Response send(const std::string& url, http::Request request, std::chrono::milliseconds patience) const;
    void control_cms(const std::string& action) const;
    Extra start_server(int port, const ExtraOptions& options);
    std::vector<int> extra_;
};

// The operation's id in a 202.
std::string operation_of(const http::Response& response);
// Polls `condition` until it holds; false after that many seconds.
bool eventually(const std::function<bool()>& condition, int seconds = patience_s);

// One stack for the whole test program.
Stack& shared_stack();

}  // namespace toygres::test
