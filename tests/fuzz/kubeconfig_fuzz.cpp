// A kubeconfig, after a line with the name of the context that is asked for.
#include "fuzz/fuzz.hpp"
#include "fuzz/given_file.hpp"
#include "kube/kubeconfig.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    // What it names is read, and a name of a device would be read for ever.
    if (text.contains("/dev") || text.contains("/proc")) return 0;
    const std::string context(fuzz::take_line(text));
    static const fuzz::GivenFile file("toygres-fuzz-kubeconfig-");
    file.write(text);
    const auto access = kube::load_kubeconfig(file.path(), context);
    if (!access) {
        fuzz::expect_refusal(access.error());
        TG_ASSERT(access.error().message.contains(file.path()));
        return 0;
    }
    TG_ASSERT(access->server.starts_with("http") && !access->server.ends_with('/'));
    TG_ASSERT(access->tls.certificate_pem.empty() == access->tls.private_key_pem.empty());
    TG_ASSERT(!access->default_ns.empty());
    return 0;
}
