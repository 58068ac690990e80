// Several servers on one CMS: whichever goes, however it goes, another has its work in time, and nothing is lost or
// done twice.
#include "base/file.hpp"
#include "cms_link.hpp"
#include "cms_standby.hpp"
#include "stack.hpp"

#include <fmt/format.h>

#include <csignal>
#include <future>
#include <stop_token>
#include <sys/wait.h>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

std::chrono::milliseconds since(Clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - then);
}

// How many servers share the work fairly; 0 while any shard is nobody's, or one has more than its share.
int servers(const Stack& stack) {
    return std::stoi(stack.value(
        "SELECT CASE WHEN sum(n) = 64 AND max(n) = ceil(64.0 / greatest(count(*), 1)) THEN count(*) ELSE 0 END FROM "
        "(SELECT count(*) n "
        "FROM shards WHERE owner IS NOT NULL AND lease_until > now() GROUP BY owner) s"));
}

std::string url_of(const Stack& stack) {
    return parse_json(read_file(stack.directory + "/cli.json").value()).value().at("api_url").get<std::string>();
}

// Exit status of a server that was told to stop.
int ended(int pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A client as behind a Service: asks one server after the other, goes on to the next one when nobody takes its
// connection, and notes every answer that is not the one it should have had.
class Reader {
  public:
    Reader(const Stack& stack, std::vector<std::string> urls)
        : thread_([&stack, urls = std::move(urls), this](const std::stop_token& stop) {
              for (std::size_t i = 0; !stop.stop_requested(); ++i) {
                  const auto answer = stack.call_at(urls[i % urls.size()], "GET", "/api/v1/instances");
                  if (answer.status == 200)
                      ++answered_;
                  else if (answer.status != 0)
                      wrong_ = fmt::format("{} {}", answer.status, answer.body);
                  std::this_thread::sleep_for(5ms);
              }
          }) {}
    int answered() const { return answered_; }
    std::string end() {
        thread_.request_stop();
        thread_.join();
        return wrong_;
    }

  private:
    std::atomic<int> answered_ = 0;
    std::string wrong_;
    std::jthread thread_;
};

std::vector<std::string> create_many(const Stack& stack, const std::string& prefix, int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back(stack.create(fmt::format("{}{}", prefix, i)));
    return out;
}

std::vector<std::string> delete_many(const Stack& stack, const std::string& prefix, int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back(stack.remove(fmt::format("{}{}", prefix, i)));
    return out;
}

void all_succeed(const Stack& stack, const std::vector<std::string>& operations) {
    for (const auto& id : operations) CHECK(stack.wait_operation(id).at("state") == "succeeded");
}

// Each operation began once and ended once, each instance was made once and is gone without a trace.
void check_once(const Stack& stack, const std::string& prefix, int count) {
    const auto of_them =
        fmt::format("FROM operations o JOIN instances i ON i.id = o.instance_id WHERE i.user_name LIKE '{}%'", prefix);
    CHECK(stack.value("SELECT count(*) " + of_them) == std::to_string(2 * count));
    CHECK(stack.value("SELECT count(*) " + of_them + " AND o.state <> 'succeeded'") == "0");
    CHECK(stack.broken_invariants() == "");
    CHECK(stack.objects().empty());
    CHECK(eventually([&] { return stack.volumes().empty(); }));
}

}  // namespace

TEST_CASE("two servers: each serves the API, whoever does the work", "[replicas]") {
    auto& stack = shared_stack();
    const auto extra = stack.start_extra_server();
    REQUIRE(eventually([&] { return servers(stack) == 2; }));
    const std::vector<std::string> urls{url_of(stack), extra.url};
    for (int i = 0; i < 4; ++i) {
        const auto& [here, there] = std::pair(urls[i % 2], urls[(i + 1) % 2]);
        const auto name = fmt::format("shared{}", i);
        const auto made = stack.call_at(here, "POST", "/api/v1/instances", {{"name", name}, {"replication", false}});
        REQUIRE(made.status == 202);
        CHECK(stack.call_at(there, "GET", "/api/v1/instances/" + name).status == 200);
        CHECK(stack.call_at(there, "POST", "/api/v1/instances", {{"name", name}, {"replication", false}}).status ==
              409);
        const auto operation = "/api/v1/operations/" + operation_of(made);
        CHECK(eventually([&] {
            return parse_json(stack.call_at(there, "GET", operation).body).value().at("state") == "succeeded";
        }));
    }
    // One name, asked for at both at once: one has it.
    std::vector<std::future<int>> answers;
    for (const auto& url : urls)
        answers.push_back(std::async(std::launch::async, [&stack, url] {
            return stack.call_at(url, "POST", "/api/v1/instances", {{"name", "shared4"}, {"replication", false}})
                .status;
        }));
    const auto first = answers[0].get();
    CHECK(first + answers[1].get() == 202 + 409);
    std::vector<std::string> removals;
    for (int i = 0; i < 5; ++i) {
        const auto gone = [&] {
            const auto answer = stack.call_at(urls[i % 2], "DELETE", fmt::format("/api/v1/instances/shared{}", i));
            if (answer.status == 202) removals.push_back(operation_of(answer));
            return answer.status == 202;
        };
        REQUIRE(eventually(gone));
    }
    all_succeed(stack, removals);
    CHECK(stack.broken_invariants() == "");
    ::kill(extra.pid, SIGTERM);
    CHECK(ended(extra.pid) == 0);
}

TEST_CASE("rolling restart of two servers under load: each hands over within 2 s, nothing is lost or done twice",
          "[replicas]") {
    auto& stack = shared_stack();
    const auto second = stack.start_extra_server();
    REQUIRE(eventually([&] { return servers(stack) == 2; }));
    const auto third = stack.start_extra_server();
    REQUIRE(eventually([&] { return servers(stack) == 3; }));
    Reader reader(stack, {url_of(stack), second.url, third.url});
    const auto creates = create_many(stack, "roll", 6);
    const auto restart = [&](int pid, const std::function<void()>& wait, const std::function<void()>& start) {
        const auto began = Clock::now();
        ::kill(pid, SIGTERM);
        REQUIRE(eventually([&] { return servers(stack) == 2; }));
        const auto took = since(began);
        WARN("handed over after " << took.count() << " ms");
        CHECK(took < 2s);
        wait();
        start();
        REQUIRE(eventually([&] { return servers(stack) == 3; }));
    };
    restart(stack.server_pid(), [&] { stack.wait_for_death(); }, [&] { stack.up(); });
    restart(second.pid, [&] { CHECK(ended(second.pid) == 0); }, [&] { (void)stack.start_extra_server(); });
    const auto answered = reader.answered();
    all_succeed(stack, creates);
    const auto removals = delete_many(stack, "roll", 6);
    const auto began = Clock::now();
    ::kill(third.pid, SIGTERM);
    REQUIRE(eventually([&] { return servers(stack) == 2; }));
    WARN("handed over after " << since(began).count() << " ms");
    CHECK(ended(third.pid) == 0);
    all_succeed(stack, removals);
    CHECK(reader.answered() > answered);
    CHECK(reader.end() == "");
    check_once(stack, "roll", 6);
}

TEST_CASE(
    "the way from one server to its database is cut: the other has all within 10 s, the one that is cut off calls "
    "itself "
    "unready, and what it sends when the way is mended is refused",
    "[replicas]") {
    Stack stack;
    stack.up();
    CmsLink link(stack.directory);
    const auto extra = stack.start_extra_server({.database_url = link.database_url()});
    REQUIRE(eventually([&] { return servers(stack) == 2; }));
    REQUIRE(eventually([&] { return stack.call_at(extra.url, "GET", "/readyz").status == 200; }));
    const auto creates = create_many(stack, "cut", 6);
    REQUIRE(eventually([&] {
        return std::stoi(stack.value("SELECT count(*) FROM orchestration_events WHERE orchestration LIKE 'create-cut%' "
                                     "AND kind = 'activity_completed'")) >= 6;
    }));
    link.cut();
    const auto began = Clock::now();
    REQUIRE(eventually([&] { return servers(stack) == 1; }));
    const auto took = since(began);
    WARN("taken over after " << took.count() << " ms");
    CHECK(took < 10s);
    CHECK(eventually([&] { return stack.call_at(extra.url, "GET", "/readyz", nullptr, 1s).status == 503; }));
    all_succeed(stack, creates);
    const auto epochs = std::stoi(stack.value("SELECT sum(epoch) FROM shards"));
    link.mend();
    REQUIRE(eventually([&] { return servers(stack) == 2; }));
    CHECK(std::stoi(stack.value("SELECT sum(epoch) FROM shards")) > epochs);
    CHECK(eventually([&] { return stack.call_at(extra.url, "GET", "/readyz").status == 200; }));
    all_succeed(stack, delete_many(stack, "cut", 6));
    check_once(stack, "cut", 6);
    ::kill(extra.pid, SIGTERM);
    CHECK(ended(extra.pid) == 0);
}

TEST_CASE("the database of the CMS fails over to its standby under load: the servers go on with it, nothing is lost",
          "[replicas]") {
    Stack stack;
    stack.up();
    CmsStandby standby(stack.directory);
    const auto url = fmt::format("host={}/cms,{} user=toygres dbname=postgres target_session_attrs=read-write",
                                 stack.directory, standby.socket_directory());
    const auto a = stack.start_extra_server({.database_url = url});
    const auto b = stack.start_extra_server({.database_url = url});
    stack.signal_server(SIGTERM);
    stack.wait_for_death();
    REQUIRE(eventually([&] { return servers(stack) == 2; }));
    std::vector<std::string> creates;
    for (int i = 0; i < 6; ++i) {
        const auto made = stack.call_at(i % 2 == 0 ? a.url : b.url, "POST", "/api/v1/instances",
                                        {{"name", fmt::format("moved{}", i)}, {"replication", false}});
        REQUIRE(made.status == 202);
        creates.push_back(operation_of(made));
    }
    REQUIRE(eventually([&] {
        return std::stoi(stack.value("SELECT count(*) FROM orchestration_events WHERE orchestration LIKE "
                                     "'create-moved%' AND kind = 'activity_completed'")) >= 6;
    }));
    stack.stop_cms();
    standby.promote();
    const auto succeeded = [&](const std::string& operation) {
        const auto answer = stack.call_at(a.url, "GET", "/api/v1/operations/" + operation);
        return answer.status == 200 && parse_json(answer.body).value().at("state") == "succeeded";
    };
    for (const auto& id : creates) CHECK(eventually([&] { return succeeded(id); }));
    CHECK(standby.value("SELECT count(*) FROM v_invariants") == "0");
    CHECK(standby.value("SELECT count(*) FROM instances WHERE user_name LIKE 'moved%'") == "6");
    for (const auto pid : {a.pid, b.pid}) {
        ::kill(pid, SIGTERM);
        CHECK(ended(pid) == 0);
    }
}
