#include "world.hpp"

using namespace toygres;
using namespace toygres::test;

TEST_CASE("rotate-password: is accepted with a sealed password, once at a time, while the instance runs") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    const auto path = std::string("/api/v1/instances/mydb/rotate-password");
    CHECK(code_of(world.call("POST", path)) == "instance_not_running");
    world.sql("SELECT set_instance_state(id, 'running', 'test', NULL, NULL, 'up') FROM instances");
    world.sql("DELETE FROM sealed_secrets");
    const auto accepted = world.call("POST", path, {}, {{"Idempotency-Key", "k"}});
    REQUIRE(accepted.status == 202);
    CHECK(json_of(accepted).at("operation").at("kind") == "rotate_password");
    CHECK(json_of(world.call("POST", path, {}, {{"Idempotency-Key", "k"}})).at("operation").at("id") ==
          json_of(accepted).at("operation").at("id"));
    CHECK(code_of(world.call("POST", path)) == "operation_in_progress");
    CHECK(world.sql("SELECT 1 FROM sealed_secrets WHERE name = 'new_superuser_password'").size() == 1);
    CHECK(world.sql("SELECT 1 FROM v_invariants WHERE violation LIKE 'sealed%'").empty());
    CHECK(world.sql("SELECT 1 FROM audit_log WHERE action = 'instance.rotate_password' AND outcome = 'done'").size() ==
          2);
    // However it ends, what was sealed goes with it.
    world.sql("UPDATE operations SET state = 'failed', finished_at = now() WHERE kind = 'rotate_password'");
    CHECK(world.sql("SELECT 1 FROM sealed_secrets").empty());
}
