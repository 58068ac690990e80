// YAML read into JSON values. Plain scalars take the type that the core schema gives them; quoted ones stay strings.
#pragma once
#include "base/json.hpp"

#include <string>
#include <string_view>

namespace YAML {
class Node;
}

namespace toygres::kube {

// How deep a document is and how many nodes it makes, as it is walked: aliases make many of few bytes, or a node a part
// of itself. One for each node, made from its parent's.
class YamlBounds {
  public:
    static constexpr auto problem = "nested too deeply, or repeated too often by its aliases";
    // `nodes`: of the document, counted from 0.
    explicit YamlBounds(int& nodes) : nodes_(nodes) {}
    // To be called for each node. false: that is too much.
    bool enter() { return ++depth_ <= depth_max && ++nodes_ <= nodes_max; }

  private:
    static constexpr int depth_max = 100;
    static constexpr int nodes_max = 100'000;
    int& nodes_;
    int depth_ = 0;
};

// Where text stops being UTF-8, which JSON could not be written of; nullopt: it is.
std::optional<std::size_t> end_of_utf8(std::string_view text);

// The value of a plain (unquoted) or quoted scalar.
Json yaml_scalar(const std::string& text, bool quoted);

// One document. Error: invalid/"invalid_yaml", "<name>:<line>: <problem>"; a repeated key is one.
Result<Json> parse_yaml(std::string_view text, const std::string& name);

}  // namespace toygres::kube
