// Templates of Kubernetes objects: parsed as YAML first and filled after, so that no value can change the structure.
// A scalar may contain ${name}; one that is nothing but a plain placeholder takes the value's own type (number, list,
// object), a quoted one becomes a string; null drops the key or the list's item. "$${" stands for "${".
#pragma once
#include "base/json.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::kube {

class Template {
  public:
    // Error: invalid/"invalid_template", "<file>:<line>: <problem>": not YAML, a repeated key, a malformed placeholder.
    static Result<Template> parse(std::string file, std::string_view text);

    // `values` is an object. Error: invalid/"template_mismatch" with file and line: a placeholder that nobody fills, a
    // value that nobody uses, an object or list in the middle of a text.
    Result<Json> render(const Json& values) const;

    std::vector<std::string> placeholders() const;  // sorted, each once

    struct Node;  // in template.cpp

  private:
    Template(std::string file, std::shared_ptr<const Node> root) : file_(std::move(file)), root_(std::move(root)) {}
    std::string file_;
    std::shared_ptr<const Node> root_;
};

// All the templates of an instance, by file name without ".yaml".
class Templates {
  public:
    // Every *.yaml of a directory. Errors: not_found/"templates_not_found", invalid/"invalid_template": all that is
    // wrong in any of the files, one line each.
    static Result<Templates> load(const std::string& directory);
    // What the binary was built with.
    static Result<Templates> embedded();

    // Errors: not_found/"template_not_found", and those of Template::render.
    Result<Json> render(const std::string& name, const Json& values) const;
    const std::map<std::string, Template>& all() const { return templates_; }

  private:
    explicit Templates(std::map<std::string, Template> templates) : templates_(std::move(templates)) {}
    static Result<Templates> parse(const std::map<std::string, std::string>& files);
    std::map<std::string, Template> templates_;
};

}  // namespace toygres::kube
