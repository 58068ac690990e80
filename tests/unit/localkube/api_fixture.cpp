#include "unit/localkube/api_fixture.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "http/client.hpp"
#include "support/kubectl.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace toygres::localkube::test {

using namespace std::chrono_literals;

namespace {

constexpr const char* admin_token = "admin-token";

// "sa:<namespace>:<name>" is the token of a service account here.
std::optional<std::string> authenticate(std::string_view token) {
    if (token == admin_token) return "admin";
    if (token.starts_with("sa:")) return "system:serviceaccount:" + std::string(token.substr(3));
    return std::nullopt;
}

std::string content_of(const std::string& path) { return read_file(path).value_or(std::string()); }

}  // namespace

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

ApiFixture::ApiFixture()
    : dir_(std::filesystem::temp_directory_path() / ("api-" + random_hex(8))),
      ca_(make_ca("test CA", 24h)),
      node_(io_) {
    // As in the cluster: a command need not read all that is typed.
    std::signal(SIGPIPE, SIG_IGN);
    std::filesystem::create_directory(dir_);
    store_ = std::make_unique<ObjectStore>(path("store.db"));
    const auto certificate = issue_certificate(ca_, {"server", {"localhost"}, {"127.0.0.1"}, 24h, true, false});
    ApiServerOptions options;
    options.certificate_chain_pem = certificate.certificate_pem;
    options.private_key_pem = certificate.private_key_pem.reveal();
    options.authenticate = authenticate;
    options.mint_token = [](const std::string& ns, const std::string& account) { return "sa:" + ns + ":" + account; };
    server_ = std::make_unique<ApiServer>(io_, options, *store_, node_);
    server_->start();
    admin_config_ = write_kubeconfig("admin.kubeconfig", admin_token);
    thread_ = std::thread([this] {
        const auto work = asio::make_work_guard(io_);
        io_.run();
    });
}

ApiFixture::~ApiFixture() {
    std::promise<void> stopped;
    asio::post(io_, [&] {
        asio::co_spawn(io_, server_->stop(), [&](std::exception_ptr) {
            io_.stop();
            stopped.set_value();
        });
    });
    stopped.get_future().wait();
    thread_.join();
    server_.reset();
    std::filesystem::remove_all(dir_);
}

std::string ApiFixture::url() const { return fmt::format("https://127.0.0.1:{}", server_->port()); }

std::string ApiFixture::write_kubeconfig(const std::string& name, const std::string& token) {
    const Json config = {
        {"apiVersion", "v1"},
        {"kind", "Config"},
        {"current-context", "c"},
        {"clusters",
         {{{"name", "c"},
           {"cluster", {{"server", url()}, {"certificate-authority-data", base64_encode(ca_.certificate_pem)}}}}}},
        {"users", {{{"name", "u"}, {"user", {{"token", token}}}}}},
        {"contexts", {{{"name", "c"}, {"context", {{"cluster", "c"}, {"user", "u"}, {"namespace", "default"}}}}}}};
    value_or_raise(write_file_atomically(path(name), config.dump()));
    return path(name);
}

Output ApiFixture::run(const std::string& kubeconfig, const std::string& arguments, const std::string& input) {
    value_or_raise(write_file_atomically(path("in"), input));
    const auto command =
        fmt::format("HOME={0} {1} timeout 60 {2} --kubeconfig={3} --cache-dir={0}/cache {4} <{0}/in >{0}/out 2>{0}/err",
                    dir_.string(), environment, toygres::test::kubectl_program(), kubeconfig, arguments);
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(path("out")), content_of(path("err"))};
}

Output ApiFixture::kubectl(const std::string& arguments, const std::string& input) {
    return run(admin_config_, arguments, input);
}

Output ApiFixture::kubectl_as(const std::string& service_account, const std::string& arguments) {
    return run(write_kubeconfig("sa.kubeconfig", "sa:" + service_account), arguments, "");
}

std::string ApiFixture::ok(const std::string& arguments, const std::string& input) {
    const auto result = kubectl(arguments, input);
    INFO("kubectl " << arguments << "\n" << result.out << result.err);
    REQUIRE(result.code == 0);
    return result.out;
}

Json ApiFixture::get(const std::string& what) { return Json::parse(ok("get " + what + " -o json")); }

Json ApiFixture::call(const std::string& method, const std::string& target, const Json& body,
                      const std::string& content_type, int* status) {
    std::promise<http::Response> answer;
    auto answered = answer.get_future();
    on_server([&] {
        auto client = std::make_shared<http::Client>(
            io_.get_executor(),
            http::ClientOptions{.base_url = url(), .tls = http::ClientTls{.ca_pem = ca_.certificate_pem}});
        http::Request request{.method = method,
                              .target = target,
                              .headers = {{"Authorization", std::string("Bearer ") + admin_token},
                                          {"Accept", "application/json"},
                                          {"User-Agent", "test/1"}}};
        if (!body.is_null()) {
            request.headers.set("Content-Type", content_type);
            request.body = body.dump();
        }
        asio::co_spawn(io_, client->send(std::move(request), 30s),
                       [client, &answer](std::exception_ptr, Result<http::Response> response) {
                           answer.set_value(response ? *response : http::Response{0, {}, response.error().message});
                       });
    });
    const auto response = answered.get();
    INFO(method << " " << target << ": " << response.body);
    REQUIRE(response.status != 0);
    if (status) *status = response.status;
    return Json::parse(response.body);
}

std::vector<std::string> ApiFixture::kubectl_words() const {
    return {toygres::test::kubectl_program(), "--kubeconfig=" + admin_config_, "--cache-dir=" + path("cache")};
}

void eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!holds()) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        std::this_thread::sleep_for(10ms);
    }
}

Following::Following(ApiFixture& fixture, const std::vector<std::string>& arguments)
    : Following([&] {
          auto words = fixture.kubectl_words();
          words.insert(words.end(), arguments.begin(), arguments.end());
          return words;
      }()) {}

Following::Following(std::vector<std::string> words) {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::dup2(pipe[1], 1);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(pipe[1]);
    fd_ = pipe[0];
}

Following::~Following() {
    ::close(fd_);
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

int Following::exit_code() {
    // kubectl's own time-out bounds the wait.
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string Following::line_with(const std::string& part) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (true) {
        for (auto end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n')) {
            auto line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            if (has(line, part)) return line;
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        pollfd ready{fd_, POLLIN, 0};
        INFO("waiting for a line with " << part);
        REQUIRE(left > 0);
        REQUIRE(::poll(&ready, 1, static_cast<int>(left)) > 0);
        std::array<char, 4096> piece;
        const auto size = ::read(fd_, piece.data(), piece.size());
        REQUIRE(size > 0);
        buffer_.append(piece.data(), static_cast<std::size_t>(size));
    }
}

std::string stateful_set_yaml(const std::string& name, int replicas, const std::string& image) {
    return fmt::format(R"(apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {0}
  labels: {{app: {0}}}
spec:
  serviceName: {0}
  replicas: {1}
  selector: {{matchLabels: {{app: {0}}}}}
  template:
    metadata: {{labels: {{app: {0}}}}}
    spec:
      containers:
      - name: main
        image: {2}
        ports: [{{containerPort: 80}}]
        env: [{{name: A, value: "1"}}, {{name: B, value: "2"}}]
)",
                       name, replicas, image);
}

std::string pod_yaml(const std::string& name, const std::string& labels) {
    return fmt::format(R"(apiVersion: v1
kind: Pod
metadata:
  name: {}
  labels: {{{}}}
spec:
  containers:
  - name: main
    image: busybox:1
)",
                       name, labels);
}

}  // namespace toygres::localkube::test
