// An environment that is in order, over directories of the test's own.
#pragma once
#include "agent/native_settings.hpp"
#include "base/file.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <string>
#include <unistd.h>

namespace toygres::test {

struct NativeEnvironment {
    NativeEnvironment() {
        std::string pattern = "/tmp/toygres-environment-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        root = pattern;
        for (const char* directory : {"/volume", "/private", "/socket"})
            std::filesystem::create_directory(root + directory);
        REQUIRE(write_file_atomically(root + "/superuser", "first\n"));
        REQUIRE(write_file_atomically(root + "/replication", "second\n"));
        values = {{"HA_MODE", "native"},
                  {"REPLICATION_ROLE", "replica"},
                  {"PRIMARY_HOST", "node-a"},
                  {"PGDATA", root + "/volume/pgdata/"},
                  {"PRIVATE_DIR", root + "/private"},
                  {"SOCKET_DIR", root + "/socket"},
                  {"POSTGRES_PASSWORD_FILE", root + "/superuser"},
                  {"REPLICATION_PASSWORD_FILE", root + "/replication"}};
    }
    ~NativeEnvironment() {
        std::error_code e;
        std::filesystem::remove_all(root, e);
    }
    NativeEnvironment(const NativeEnvironment&) = delete;
    NativeEnvironment& operator=(const NativeEnvironment&) = delete;

    auto read() const { return agent::read_native_settings(values, "node-b"); }

    std::string root;
    agent::Environment values;
};

}  // namespace toygres::test
