#include "localkube/table.hpp"

#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::localkube;
using namespace std::chrono_literals;

namespace {

// READY, STATUS and RESTARTS of a pod.
std::string words_of(const char* status, const char* metadata = R"({"name": "p"})") {
    const Json pod = {
        {"metadata", Json::parse(metadata)},
        {"spec", {{"containers", {{{"name", "a"}}, {{"name", "b"}}}}, {"initContainers", {{{"name", "i"}}}}}},
        {"status", Json::parse(status)}};
    const auto cells = pod_cells(pod);
    return cells[1].get<std::string>() + " " + cells[2].get<std::string>() + " " + cells[3].get<std::string>();
}

}  // namespace

TEST_CASE("table: a pod's words are those of kubectl") {
    CHECK(words_of(R"({"phase": "Pending"})") == "0/2 Pending 0");
    CHECK(
        words_of(R"({"phase": "Pending", "initContainerStatuses": [{"restartCount": 0, "state": {"running": {}}}]})") ==
        "0/2 Init:0/1 0");
    CHECK(words_of(R"({"phase": "Pending", "initContainerStatuses": [
              {"restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]})") ==
          "0/2 Init:CrashLoopBackOff 2");
    CHECK(words_of(R"({"phase": "Running", "containerStatuses": [
              {"ready": true, "restartCount": 0, "state": {"running": {}}},
              {"ready": false, "restartCount": 3, "state": {"running": {}}}]})") == "1/2 Running 3");
    CHECK(words_of(R"({"phase": "Pending", "containerStatuses": [
              {"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]})") ==
          "0/2 ImagePullBackOff 0");
    CHECK(words_of(R"({"phase": "Failed", "containerStatuses": [
              {"restartCount": 0, "state": {"terminated": {"exitCode": 3}}}]})") == "0/2 ExitCode:3 0");
    CHECK(words_of(R"({"phase": "Succeeded", "containerStatuses": [
              {"restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]})") ==
          "0/2 Completed 0");
    CHECK(words_of(R"({"phase": "Running"})", R"({"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"})") ==
          "0/2 Terminating 0");
}

TEST_CASE("table: ages have at most two units") {
    CHECK(human_age(5s) == "5s");
    CHECK(human_age(119s) == "119s");
    CHECK(human_age(150s) == "2m30s");
    CHECK(human_age(45min) == "45m");
    CHECK(human_age(3h + 5min) == "3h5m");
    CHECK(human_age(47h) == "47h");
    CHECK(human_age(74h) == "3d2h");
    CHECK(human_age(24h * 30) == "30d");
}

TEST_CASE("table: every kind has its columns and survives an object that says nothing") {
    for (const auto& type : resource_types()) {
        INFO(type.kind);
        const auto object = std::make_shared<const Object>(Object{
            {"kind", type.kind}, {"metadata", {{"name", "x"}}}, {"spec", Json::object()}, {"status", Json::object()}});
        const auto table = make_table(type, {object}, IncludeObject::metadata, "1");
        CHECK(table["rows"][0]["cells"].size() == table["columnDefinitions"].size());
        CHECK(table["rows"][0]["object"]["metadata"]["name"] == "x");
    }
}
