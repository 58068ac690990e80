// The OpenAPI v2 document, in the protobuf form that is all that kubectl before 1.27 asks for.
#pragma once
#include <string>

namespace toygres::localkube {

// Clients ask for it with another character before "v1.0" that makes it no media type; they refuse to read that.
inline constexpr const char* openapi_v2_media_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

// Which kinds can be patched, with a dry run if wanted. It defines no schemas: kubectl leaves it to the server then to
// check objects, and merges by the types that it knows itself.
const std::string& openapi_v2_document();

}  // namespace toygres::localkube
