// The file of contexts of the command line.
#include "cli/contexts.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/given_file.hpp"

#include <cstdlib>

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::GivenFile file("toygres-fuzz-config-");
    ::setenv("TOYGRES_CONFIG", file.path().c_str(), 1);
    file.write(fuzz::text_of(data, size));
    const auto contexts = cli::load_contexts();
    if (!contexts) {
        fuzz::expect_refusal(contexts.error());
        TG_ASSERT(contexts.error().message.contains(file.path()));
        return 0;
    }
    for (const auto& context : contexts->all) TG_ASSERT(contexts->find(context.name) != nullptr);
    return 0;
}
