#include "kube/certificates.hpp"

#include "agent_fixture.hpp"
#include "base/file.hpp"
#include "base/x509.hpp"
#include "support/catch.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

std::string output_of(std::vector<std::string> argv) {
    const auto done = run(run_command({std::move(argv)}, {}, 60s));
    REQUIRE(done);
    return done->output;
}

// psql with its standard input in our hands: a session that is opened once and asked again and again.
class Session {
  public:
    explicit Session(const AgentFixture& f) {
        int in[2];
        REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
        in_ = in[1];
        const int out = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        REQUIRE(out >= 0);
        psql_ = std::make_unique<Child>(io_.get_executor(),
                                        Command{{"/usr/bin/env", "psql", "-XAtq"},
                                                {{"PGHOST", f.options.instance},
                                                 {"PGHOSTADDR", f.options.address},
                                                 {"PGUSER", "postgres"},
                                                 {"PGDATABASE", "postgres"},
                                                 {"PGPASSWORD", f.password},
                                                 {"PGSSLMODE", "require"}}},
                                        Streams{in[0], out, out});
        ::close(in[0]);
        ::close(out);
    }
    ~Session() {
        ::close(in_);
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }

    // Whether it answers what it has to.
    bool answers(int number) {
        const auto query = fmt::format("SELECT 'answer {}' || pg_backend_pid() * 0;\n", number);
        REQUIRE(::write(in_, query.data(), query.size()) == static_cast<ssize_t>(query.size()));
        return eventually([&] {
                   const auto said = read_file(path_).value_or("");
                   return said.contains(fmt::format("answer {}0\n", number)) || psql_->poll().has_value();
               }) &&
               !psql_->poll();
    }

  private:
    asio::io_context io_;
    std::string path_ = fmt::format("/tmp/toygres-session-{}-{}", ::getpid(), reinterpret_cast<std::uintptr_t>(this));
    int in_ = -1;
    std::unique_ptr<Child> psql_;
};

// Of the certificate that a server shows; empty when the mounted CA did not sign it.
std::string serial_shown(const AgentFixture& f, int port, const std::string& more = "") {
    const auto command = fmt::format(
        "openssl s_client -connect {}:{} {} -CAfile {}/ca.crt -verify_return_error "
        "</dev/null 2>/dev/null | openssl x509 -noout -serial",
        f.options.address, port, more, f.options.tls_dir);
    return output_of({"/bin/sh", "-c", command});
}
std::string serial_of_postgres(const AgentFixture& f) { return serial_shown(f, 5432, "-starttls postgres"); }
std::string serial_of_agent(const AgentFixture& f) { return serial_shown(f, 8443); }

std::string serial_of(const std::string& path) {
    return output_of({"/usr/bin/env", "openssl", "x509", "-noout", "-serial", "-in", path});
}

// In place of a file that is mounted, for the same reader.
void mount(const AgentFixture& f, const char* name, const std::string& content) {
    const auto path = f.options.tls_dir + "/" + name;
    struct stat before{};
    REQUIRE(::stat(path.c_str(), &before) == 0);
    REQUIRE(write_file_atomically(path + ".new", content, before.st_mode & 0777));
    REQUIRE(::chown((path + ".new").c_str(), before.st_uid, before.st_gid) == 0);
    REQUIRE(::rename((path + ".new").c_str(), path.c_str()) == 0);
}

CertificatePair renewed(const AgentFixture& f) {
    return kube::issue_certificates(f.secrets.ca, f.options.instance, f.options.ns, {}, 1h).server;
}

int postmaster_starts(const AgentFixture& f) {
    int count = 0;
    const auto log = f.log();
    for (auto at = log.find("starting PostgreSQL"); at != std::string::npos;
         at = log.find("starting PostgreSQL", at + 1))
        ++count;
    return count;
}

}  // namespace

TEST_CASE("agent certificates: a renewed one is served by postgres and by the agent, and sessions go on") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    const auto postmaster = f.postmaster_pid();
    Session session(f);
    REQUIRE(session.answers(1));
    const auto old = serial_of(f.options.tls_dir + "/tls.crt");
    CHECK(serial_of_postgres(f) == old);
    CHECK(serial_of_agent(f) == old);

    const auto fresh = renewed(f);
    mount(f, "tls.crt", fresh.certificate_pem);
    mount(f, "tls.key", fresh.private_key_pem.reveal());
    const auto serial = serial_of(f.options.tls_dir + "/tls.crt");
    REQUIRE(serial != old);
    CHECK(eventually([&] { return serial_of_postgres(f) == serial; }));
    CHECK(eventually([&] { return serial_of_agent(f) == serial; }));
    CHECK(session.answers(2));
    CHECK(f.psql("SELECT 1", f.password).output == "1\n");
    CHECK(f.wait_ready().restarts == 0);
    CHECK(f.postmaster_pid() == postmaster);
    CHECK(postmaster_starts(f) == 1);
}

TEST_CASE(
    "agent certificates: half of a renewal changes nothing, not even over a restart; the other half completes it") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    const auto old = serial_of(f.options.tls_dir + "/tls.crt");
    const auto fresh = renewed(f);
    mount(f, "tls.crt", fresh.certificate_pem);
    const auto serial = serial_of(f.options.tls_dir + "/tls.crt");

    // A change of configuration is obeyed meanwhile, with the pair that was there.
    f.write_topology(2, f.member);
    f.wait_for("epoch 2", [](const auto& s) { return s.epoch == 2 && s.ready; });
    CHECK(serial_of_postgres(f) == old);
    CHECK(serial_of_agent(f) == old);
    // So is a start.
    CHECK(f.stop().ok());
    f.start();
    f.wait_ready();
    CHECK(serial_of_postgres(f) == old);
    CHECK(serial_of_agent(f) == old);
    for (const auto* complaint : {"could not load private key", "check of private key failed"})
        CHECK_FALSE(f.log().contains(complaint));

    mount(f, "tls.key", fresh.private_key_pem.reveal());
    CHECK(eventually([&] { return serial_of_postgres(f) == serial; }));
    CHECK(eventually([&] { return serial_of_agent(f) == serial; }));
    CHECK(f.psql("SELECT 1", f.password).output == "1\n");
}

TEST_CASE("agent certificates: another CA is followed, for those who connect and for those who ask the agent") {
    AgentFixture f;
    f.write_topology(1, f.member);
    f.start();
    f.wait_ready();
    Session session(f);
    REQUIRE(session.answers(1));
    f.secrets.ca = make_ca("another", 1h);
    const auto issued = kube::issue_certificates(f.secrets.ca, f.options.instance, f.options.ns, {}, 1h);
    f.secrets.client = issued.client;
    mount(f, "ca.crt", f.secrets.ca.certificate_pem);
    mount(f, "tls.crt", issued.server.certificate_pem);
    mount(f, "tls.key", issued.server.private_key_pem.reveal());
    // By the new CA and with the new client certificate alone.
    const auto status = f.wait_ready();
    CHECK(status.restarts == 0);
    CHECK(eventually([&] { return f.psql("SELECT 1", f.password).output == "1\n"; }));
    CHECK(session.answers(2));
}
