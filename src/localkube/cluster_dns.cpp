#include "localkube/cluster_dns.hpp"

#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

std::string names_of(const std::string& name, const std::string& of, const std::string& from) {
    return fmt::format("{0}.{1}.svc.cluster.local {0}.{1}.svc {0}.{1}{2}", name, of, of == from ? " " + name : "");
}

}  // namespace

std::string cluster_hosts(const ObjectStore& store, const std::string& ns) {
    std::string out;
    for (const auto& service : store.list("services")) {
        const auto name = name_of(*service);
        const auto of = namespace_of(*service);
        const auto address = text_at(*service, "spec.clusterIP");
        if (!address.empty() && address != "None") {
            out += fmt::format("{}\t{}\n", address, names_of(name, of, ns));
            continue;
        }
        const auto endpoints = store.get({"endpoints", of, name});
        if (address != "None" || !endpoints) continue;
        for (const auto& subset : list_at(*endpoints, "subsets"))
            for (const auto& entry : list_at(subset, "addresses")) {
                const auto ip = text_at(entry, "ip");
                const auto host = text_at(entry, "hostname");
                if (!host.empty()) out += fmt::format("{}\t{}\n", ip, names_of(host + "." + name, of, ns));
                out += fmt::format("{}\t{}\n", ip, names_of(name, of, ns));
            }
    }
    return out;
}

}  // namespace toygres::localkube
