#include "support/kubectl.hpp"

#include "base/json.hpp"
#include "support/catch.hpp"

#include <cstdio>
#include <cstdlib>

namespace toygres::test {
namespace {

std::string output_of(const std::string& command) {
    std::FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string out;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
    ::pclose(pipe);
    return out;
}

std::string wanted_program() {
    const char* named = std::getenv("TOYGRES_TEST_KUBECTL");
    return named != nullptr && *named != '\0' ? named : "kubectl";
}

int ask_for_minor() {
    const auto answer = Json::parse(output_of(wanted_program() + " version --client -o json 2>&1"), nullptr, false);
    INFO("these tests need kubectl: apt-get install kubernetes-client, or set TOYGRES_TEST_KUBECTL to its path");
    REQUIRE(answer.is_object());
    // "20+" of a vendor's own.
    return std::stoi(answer.at("clientVersion").at("minor").get<std::string>());
}

}  // namespace

std::string kubectl_program() {
    static_cast<void>(kubectl_minor());
    return wanted_program();
}

int kubectl_minor() {
    static const int minor = ask_for_minor();
    return minor;
}

std::vector<std::string> exec_transports() {
    const std::string variable = "KUBECTL_REMOTE_COMMAND_WEBSOCKETS=";
    if (kubectl_minor() < 29) return {variable + "false"};
    return {variable + "true", variable + "false"};
}

}  // namespace toygres::test
