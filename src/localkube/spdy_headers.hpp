// Header blocks of SPDY/3.1: lists of fields, compressed with a dictionary in one stream per direction and connection.
#pragma once
#include "base/error.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct z_stream_s;

namespace toygres::localkube::spdy {

using Fields = std::vector<std::pair<std::string, std::string>>;

// The value of that name, or an empty view.
std::string_view field_of(const Fields& fields, std::string_view name);

// Every block that arrives must go through it, wanted or not: each one builds on those before it.
class HeaderReader {
  public:
    HeaderReader();
    // Error: invalid/"spdy_violation": not a block, too large, or a name that may not be. Nothing follows an error.
    Result<Fields> read(std::string_view block);

  private:
    Result<std::string> inflate_block(std::string_view block);
    std::unique_ptr<z_stream_s, void (*)(z_stream_s*)> stream_;
};

class HeaderWriter {
  public:
    HeaderWriter();
    std::string write(const Fields& fields);

  private:
    std::unique_ptr<z_stream_s, void (*)(z_stream_s*)> stream_;
};

// Unsigned numbers in network order.
std::uint32_t number_at(std::string_view bytes, std::size_t at, int length = 4);
void put_number(std::string& out, std::uint32_t number, int length = 4);

Error violation(std::string message);

}  // namespace toygres::localkube::spdy
