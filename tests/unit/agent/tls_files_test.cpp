#include "agent/tls_files.hpp"

#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/x509.hpp"
#include "support/catch.hpp"

#include <filesystem>

using namespace toygres;
using namespace toygres::agent;
using namespace std::chrono_literals;

namespace {

struct Mounts {
    std::string root = (std::filesystem::temp_directory_path() / ("tls-files-" + random_hex(8))).string();
    Options options{.private_dir = root + "/private", .tls_dir = root + "/tls"};
    CertificatePair ca = make_ca("own", 1h);

    Mounts() {
        for (const auto& directory : {options.tls_dir, options.private_dir})
            std::filesystem::create_directories(directory);
    }
    ~Mounts() { std::filesystem::remove_all(root); }

    TlsPair make() const {
        const auto made = issue_certificate(ca, {"db", {"db"}, {}, 1h, true, false});
        return {made.certificate_pem, made.private_key_pem.reveal()};
    }
    void mount(const TlsPair& pair) const {
        REQUIRE(write_file_atomically(options.tls_dir + "/tls.crt", pair.certificate));
        REQUIRE(write_file_atomically(options.tls_dir + "/tls.key", pair.key));
    }
    void configure(const TlsPair& pair) const {
        REQUIRE(write_file_atomically(options.private_dir + "/server.crt", pair.certificate));
        REQUIRE(write_file_atomically(options.private_dir + "/server.key", pair.key));
    }
    Result<TlsPair> shown() const { return tls_pair(options, options.tls_dir); }
};

}  // namespace

TEST_CASE("tls files: the mounted pair is shown") {
    const Mounts m;
    CHECK(m.shown().error().code == "file_not_found");
    const auto first = m.make();
    const auto second = m.make();
    m.mount(first);
    CHECK(m.shown().value() == first);
    m.configure(first);
    m.mount(second);
    CHECK(m.shown().value() == second);
}

TEST_CASE("tls files: half of a new pair is never shown; the pair in use serves on until the other half is there") {
    const Mounts m;
    const auto first = m.make();
    const auto second = m.make();
    m.configure(first);
    for (const auto& half : {TlsPair{second.certificate, first.key}, TlsPair{first.certificate, second.key},
                             TlsPair{"no certificate", second.key}, TlsPair{second.certificate, ""}}) {
        m.mount(half);
        CHECK(m.shown().value() == first);
    }
    std::filesystem::remove(m.options.tls_dir + "/tls.key");
    CHECK(m.shown().value() == first);
    m.mount(second);
    CHECK(m.shown().value() == second);
}

TEST_CASE("tls files: with no pair in use, half of one is an error and no pair") {
    const Mounts m;
    m.mount({m.make().certificate, m.make().key});
    CHECK(m.shown().error().code == "certificate_mismatch");
    m.configure({m.make().certificate, m.make().key});
    CHECK(m.shown().error().code == "certificate_mismatch");
}
