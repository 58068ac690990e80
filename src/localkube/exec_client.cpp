#include "localkube/exec_client.hpp"

#include "localkube/api_status.hpp"

#include <limits>

namespace toygres::localkube {

std::unique_ptr<ExecClient> make_exec_client(const ApiRequest& request) {
    return request.http.headers.get("Upgrade") == "SPDY/3.1" ? spdy_exec_client(request)
                                                             : websocket_exec_client(request);
}

std::optional<ExecResize> parse_resize(std::string_view message) {
    const auto size = Json::parse(message, nullptr, false);
    if (!size.is_object()) return std::nullopt;
    const auto side = [&](const char* name) {
        const auto it = size.find(name);
        const bool fits =
            it != size.end() && it->is_number_integer() && *it > 0 && *it <= std::numeric_limits<unsigned short>::max();
        return fits ? it->get<int>() : 0;
    };
    const ExecResize out{side("Width"), side("Height")};
    if (out.columns == 0 || out.rows == 0) return std::nullopt;
    return out;
}

}  // namespace toygres::localkube
