// Connects as the user would: through the Service, over TLS, with the password; and runs a query.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct TestConnection {
    static constexpr std::string_view name = "test_connection";
    using Input = InstanceRef;
    struct Output {
        std::string address;
        std::string dns_name;
        std::string version;  // the server's own words
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(TestConnection::Output, (), (address, dns_name, version))

}  // namespace toygres::activities
