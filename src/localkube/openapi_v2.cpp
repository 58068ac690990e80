#include "localkube/openapi_v2.hpp"

#include "localkube/object_store.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace toygres::localkube {
namespace {

// A field of bytes: text or a message. The numbers are those of gnostic's OpenAPIv2.proto.
std::string field(std::uint32_t number, std::string_view bytes) {
    std::string out;
    const auto put_varint = [&out](std::size_t rest) {
        for (; rest >= 0x80; rest >>= 7) out += static_cast<char>(0x80 | (rest & 0x7f));
        out += static_cast<char>(rest);
    };
    constexpr std::uint32_t length_delimited = 2;
    put_varint(number << 3 | length_delimited);
    put_varint(bytes.size());
    return out += bytes;
}

// ParametersItem > Parameter > NonBodyParameter > QueryParameterSubSchema.
std::string query_parameter(std::string_view name) {
    return field(1, field(2, field(3, field(3, "query") + field(4, name) + field(6, "string"))));
}

// NamedPathItem > PathItem > Operation.
std::string patch_path(const ResourceType& type) {
    const auto group_version = type.group.empty() ? type.version : type.group + "/" + type.version;
    const auto path = fmt::format("/{}/{}{}/{}/{{name}}", type.group.empty() ? "api" : "apis", group_version,
                                  type.namespaced ? "/namespaces/{namespace}" : "", type.plural);
    const auto kind = fmt::format("group: \"{}\"\nkind: {}\nversion: {}\n", type.group, type.kind, type.version);
    const auto operation = field(8, query_parameter("dryRun")) +
                           field(13, field(1, "x-kubernetes-group-version-kind") + field(2, field(2, kind)));
    return field(1, path) + field(2, field(8, operation));
}

}  // namespace

const std::string& openapi_v2_document() {
    static const std::string document = [] {
        std::string paths;
        for (const auto& type : resource_types()) paths += field(2, patch_path(type));
        return field(1, "2.0") + field(2, field(1, "toygres") + field(2, TOYGRES_VERSION)) + field(8, paths);
    }();
    return document;
}

}  // namespace toygres::localkube
