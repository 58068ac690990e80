// The fields of Kubernetes' types: their names, types and protobuf numbers. What is not in here no client may send.
#pragma once
#include <map>
#include <string>
#include <string_view>

namespace toygres::localkube {

struct KubeField {
    std::string name;  // as JSON says it; "^": the fields of `type` are the outer message's own
    std::string type;  // s text, i integer, b boolean, y bytes, t and T times, q quantity, x integer or text, F a tree
                       // of fields, '-' not described here; else a message
    bool repeated;
    bool map;        // from text
    bool omit_zero;  // zero values stand for none
};

struct KubeMessage {
    std::map<int, KubeField> by_number;
    // Inlined messages' fields included.
    std::map<std::string, const KubeField*, std::less<>> by_name;
};

// Null for a message that is not in the schema. Kinds are messages of their own name.
const KubeMessage* find_kube_message(std::string_view name);

// Messages, one a line, continued by indentation: "<name> <number>:<JSON name>:[*|%]<type>[?] …"; '*' repeats, '%'
// maps,
// '?' omits zero values.
extern const std::string_view kube_schema_text;

}  // namespace toygres::localkube
