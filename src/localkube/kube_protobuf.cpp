#include "localkube/kube_protobuf.hpp"

#include "base/crypto.hpp"
#include "kube/yaml.hpp"
#include "localkube/kube_schema.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

constexpr std::string_view magic("k8s\0", 4);

[[noreturn]] void raise_protobuf(const std::string& problem) {
    raise(ErrorKind::invalid, "invalid_protobuf", "error decoding the body as protobuf: " + problem);
}

// Reads the wire format: fields of varints and of length-delimited bytes.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    struct Item {
        int number;
        std::uint64_t integer;
        std::string_view bytes;
    };
    bool next(Item& item) {
        if (bytes_.empty()) return false;
        const auto tag = varint();
        item = {static_cast<int>(tag >> 3), 0, {}};
        switch (tag & 7) {
            case 0:
                item.integer = varint();
                return true;
            case 2:
                item.bytes = take(varint());
                return true;
            default:
                raise_protobuf("a wire type that no field of ours has");
        }
    }

  private:
    std::uint64_t varint() {
        std::uint64_t out = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (!(byte & 0x80)) return out;
        }
        raise_protobuf("a number is too long");
    }
    std::string_view take(std::uint64_t count) {
        if (count > bytes_.size()) raise_protobuf("the message ends too early");
        const auto out = bytes_.substr(0, count);
        bytes_.remove_prefix(count);
        return out;
    }
    std::string_view bytes_;
};

std::string text_of(std::string_view bytes) {
    if (kube::end_of_utf8(bytes)) raise_protobuf("a text that is not UTF-8");
    return std::string(bytes);
}

Json time_of(std::string_view bytes) {
    Reader reader(bytes);
    Reader::Item item;
    std::int64_t seconds = 0;
    bool any = false;
    while (reader.next(item)) {
        if (item.number == 1) seconds = static_cast<std::int64_t>(item.integer);
        any = true;
    }
    if (!any) return nullptr;
    // The years of RFC 3339.
    if (seconds < -62'135'596'800 || seconds > 253'402'300'799) raise_protobuf("a time that no calendar has");
    return format_rfc3339(Timestamp(std::chrono::seconds(seconds))).substr(0, 19) + "Z";
}

Json int_or_string(std::string_view bytes) {
    Reader reader(bytes);
    Reader::Item item;
    std::int64_t type = 0;
    std::int64_t number = 0;
    std::string text;
    while (reader.next(item)) {
        if (item.number == 1) type = static_cast<std::int64_t>(item.integer);
        if (item.number == 2) number = static_cast<std::int32_t>(item.integer);
        if (item.number == 3) text = text_of(item.bytes);
    }
    return type == 0 ? Json(number) : Json(text);
}

Json quantity_of(std::string_view bytes) {
    Reader reader(bytes);
    Reader::Item item;
    std::string text;
    while (reader.next(item))
        if (item.number == 1) text = text_of(item.bytes);
    return text;
}

Json decode_message(const std::string& name, std::string_view bytes, int depth);

Json decode_value(const std::string& type, const Reader::Item& item, int depth) {
    if (type == "s") return text_of(item.bytes);
    if (type == "i") return static_cast<std::int64_t>(item.integer);
    if (type == "b") return item.integer != 0;
    if (type == "y") return base64_encode(item.bytes);
    if (type == "t" || type == "T") return time_of(item.bytes);
    if (type == "q") return quantity_of(item.bytes);
    if (type == "x") return int_or_string(item.bytes);
    if (type == "F") {
        auto fields = Json::parse(item.bytes, nullptr, false);
        return fields.is_discarded() ? Json() : fields;
    }
    return decode_message(type, item.bytes, depth + 1);
}

bool is_zero(const Json& value) {
    return value.is_null() || value == "" || value == 0 || value == false || (value.is_object() && value.empty());
}

// A map's entry: key 1, value 2; either may be left out when it is empty.
void add_entry(Json& map, const std::string& type, std::string_view bytes, int depth) {
    Reader reader(bytes);
    Reader::Item item;
    std::string key;
    Json value = type == "s" || type == "y" || type == "q" ? Json("") : Json();
    while (reader.next(item)) {
        if (item.number == 1) key = text_of(item.bytes);
        if (item.number == 2) value = decode_value(type, item, depth);
    }
    map[key] = std::move(value);
}

Json decode_message(const std::string& name, std::string_view bytes, int depth) {
    constexpr int depth_max = 64;
    if (depth > depth_max) raise_protobuf("messages are nested too deeply");
    const auto* message = find_kube_message(name);
    if (!message) raise_protobuf("no message " + name + " here; send JSON");
    Json out = Json::object();
    Reader reader(bytes);
    Reader::Item item;
    while (reader.next(item)) {
        const auto it = message->by_number.find(item.number);
        if (it == message->by_number.end())
            raise_protobuf(fmt::format("field {} of {} is not known here; send JSON", item.number, name));
        const auto& field = it->second;
        if (field.type == "-") continue;
        if (field.map) {
            auto& map = out[field.name];
            if (map.is_null()) map = Json::object();
            add_entry(map, field.type, item.bytes, depth);
            continue;
        }
        auto value = decode_value(field.type, item, depth);
        if (field.name == "^")
            out.update(value);
        else if (field.repeated)
            out[field.name].push_back(std::move(value));
        else if (!value.is_null() && !(field.omit_zero && is_zero(value)))
            out[field.name] = std::move(value);
    }
    return out;
}

// runtime.Unknown: 1 {1 apiVersion, 2 kind}, 2 the object.
Json decode_envelope(std::string_view bytes) {
    Reader reader(bytes);
    Reader::Item item;
    std::string version;
    std::string kind;
    std::string_view raw;
    while (reader.next(item)) {
        if (item.number == 2) raw = item.bytes;
        if (item.number != 1) continue;
        Reader type(item.bytes);
        Reader::Item part;
        while (type.next(part)) (part.number == 1 ? version : kind) = text_of(part.bytes);
    }
    auto out = decode_message(kind, raw, 0);
    out["apiVersion"] = version;
    out["kind"] = kind;
    return out;
}

}  // namespace

bool is_kube_protobuf(std::string_view body) { return body.starts_with(magic); }

Json parse_kube_protobuf(std::string_view body) {
    if (!is_kube_protobuf(body)) raise_protobuf("it is not in Kubernetes' envelope");
    return decode_envelope(body.substr(magic.size()));
}

}  // namespace toygres::localkube
