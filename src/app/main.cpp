// The `toygres` program: the command line, and hidden behind it the supervisor of one container.
#include "app/launch.hpp"
#include "cli/cli.hpp"
#include "localkube/container_shim.hpp"

#include <string_view>

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "container-shim")
        return toygres::localkube::container_shim_main(argc, argv);
    return toygres::cli::run_cli(argc, argv, toygres::app::make_launcher());
}
