#include "kube/template.hpp"

#include "base/file.hpp"
#include "embedded/templates.hpp"
#include "kube/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <set>
#include <variant>

namespace toygres::kube {

// A text taken apart: literals and the names of placeholders, in turn.
struct Piece {
    bool placeholder;
    std::string text;
};

struct Template::Node {
    using Scalar = Json;  // without placeholders
    struct Text {
        std::vector<Piece> pieces;
        bool quoted;
    };
    using List = std::vector<Node>;
    using Map = std::vector<std::pair<std::string, Node>>;

    int line = 0;
    std::variant<Scalar, Text, List, Map> content;
};

namespace {

using Node = Template::Node;

// Carries a problem up to the two public functions, which add the file's name.
struct Problem {
    int line;
    std::string text;
};

bool is_name(std::string_view name) {
    return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

std::vector<Piece> split(const std::string& text, int line) {
    std::vector<Piece> pieces;
    std::string literal;
    for (std::size_t i = 0; i < text.size();) {
        if (text.compare(i, 3, "$${") == 0) {
            literal += "${";
            i += 3;
        } else if (text.compare(i, 2, "${") == 0) {
            const auto end = text.find('}', i);
            const auto name = end == std::string::npos ? std::string() : text.substr(i + 2, end - i - 2);
            if (!is_name(name)) throw Problem{line, fmt::format("a malformed placeholder in \"{}\"", text)};
            if (!literal.empty()) pieces.push_back({false, std::exchange(literal, {})});
            pieces.push_back({true, name});
            i = end + 1;
        } else {
            literal += text[i++];
        }
    }
    if (!literal.empty()) pieces.push_back({false, literal});
    return pieces;
}

Node convert(const YAML::Node& yaml, YamlBounds bounds) {
    Node node;
    node.line = yaml.Mark().line + 1;
    if (!bounds.enter()) throw Problem{node.line, YamlBounds::problem};
    if (yaml.IsScalar()) {
        const bool quoted = yaml.Tag() == "!";
        if (yaml.Scalar().contains("${"))
            node.content = Node::Text{split(yaml.Scalar(), node.line), quoted};
        else
            node.content = yaml_scalar(yaml.Scalar(), quoted);
    } else if (yaml.IsSequence()) {
        Node::List list;
        for (const auto& item : yaml) list.push_back(convert(item, bounds));
        node.content = std::move(list);
    } else if (yaml.IsMap()) {
        Node::Map map;
        std::set<std::string> keys;
        for (const auto& entry : yaml) {
            const int line = entry.first.Mark().line + 1;
            if (!entry.first.IsScalar()) throw Problem{line, "a key that is not a text"};
            const auto& key = entry.first.Scalar();
            if (key.contains("${")) throw Problem{line, fmt::format("a placeholder in the key {}", key)};
            if (!keys.insert(key).second) throw Problem{line, fmt::format("the key {} is there twice", key)};
            map.emplace_back(key, convert(entry.second, bounds));
        }
        node.content = std::move(map);
    } else {
        node.content = Json();
    }
    return node;
}

// Fills one template and notes which values were used.
class Renderer {
  public:
    explicit Renderer(const Json& values) : values_(values) {}

    Json render(const Node& node) {
        if (const auto* scalar = std::get_if<Node::Scalar>(&node.content)) return *scalar;
        if (const auto* text = std::get_if<Node::Text>(&node.content)) return render_text(*text, node.line);
        if (const auto* list = std::get_if<Node::List>(&node.content)) {
            Json out = Json::array();
            for (const auto& item : *list)
                if (auto value = render(item); !value.is_null()) out.push_back(std::move(value));
            return out;
        }
        Json out = Json::object();
        for (const auto& [key, child] : std::get<Node::Map>(node.content))
            if (auto value = render(child); !value.is_null()) out[key] = std::move(value);
        return out;
    }

    const std::set<std::string>& used() const { return used_; }

  private:
    const Json& value_of(const std::string& name, int line) {
        const auto it = values_.find(name);
        if (it == values_.end()) throw Problem{line, fmt::format("nobody fills ${{{}}}", name)};
        used_.insert(name);
        return *it;
    }

    Json render_text(const Node::Text& text, int line) {
        const bool whole = text.pieces.size() == 1 && text.pieces.front().placeholder;
        if (whole) {
            const auto& value = value_of(text.pieces.front().text, line);
            if (!text.quoted || value.is_null() || value.is_string()) return value;
        }
        std::string out;
        for (const auto& piece : text.pieces) {
            if (!piece.placeholder) {
                out += piece.text;
                continue;
            }
            const auto& value = value_of(piece.text, line);
            if (value.is_null() || value.is_structured())
                throw Problem{line, fmt::format("${{{}}} stands in a text but is not a text or a number", piece.text)};
            out += value.is_string() ? value.get_ref<const std::string&>() : value.dump();
        }
        return out;
    }

    const Json& values_;
    std::set<std::string> used_;
};

void collect(const Node& node, std::set<std::string>& names) {
    if (const auto* text = std::get_if<Node::Text>(&node.content)) {
        for (const auto& piece : text->pieces)
            if (piece.placeholder) names.insert(piece.text);
    } else if (const auto* list = std::get_if<Node::List>(&node.content)) {
        for (const auto& item : *list) collect(item, names);
    } else if (const auto* map = std::get_if<Node::Map>(&node.content)) {
        for (const auto& [key, child] : *map) collect(child, names);
    }
}

// The line where a second document begins. (What yaml-cpp 0.7 has for several documents never ends on some texts.)
std::optional<int> second_document(std::string_view text) {
    int number = 0;
    for (bool has_content = false; !text.empty();) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        ++number;
        const bool is_marker = line == "---" || line.starts_with("--- ");
        if (is_marker && has_content) return number;
        has_content = has_content || is_marker || (!line.empty() && line.front() != '#' && line.front() != '%');
    }
    return std::nullopt;
}

Error template_error(std::string code, const std::string& file, int line, const std::string& problem) {
    return {ErrorKind::invalid, std::move(code), fmt::format("{}:{}: {}", file, line, problem)};
}

}  // namespace

Result<Template> Template::parse(std::string file, std::string_view text) {
    const auto failed = [&](int line, const std::string& problem) {
        return std::unexpected(template_error("invalid_template", file, line, problem));
    };
    if (const auto at = end_of_utf8(text))
        return failed(static_cast<int>(std::ranges::count(text.substr(0, *at), '\n')) + 1, "is not UTF-8");
    try {
        const auto document = YAML::Load(std::string(text));
        if (const auto line = second_document(text)) return failed(*line, "a second document begins; it may hold one");
        if (!document.IsMap()) return failed(1, "is not a Kubernetes object");
        int nodes = 0;
        return Template(file, std::make_shared<Node>(convert(document, YamlBounds(nodes))));
    } catch (const Problem& e) {
        return failed(e.line, e.text);
    } catch (const YAML::Exception& e) {
        return failed(e.mark.line + 1, e.msg);
    }
}

Result<Json> Template::render(const Json& values) const {
    Renderer renderer(values);
    try {
        auto out = renderer.render(*root_);
        for (const auto& [name, value] : values.items())
            if (!renderer.used().contains(name))
                throw Problem{root_->line, fmt::format("nobody uses the value {}", name)};
        return out;
    } catch (const Problem& e) {
        return std::unexpected(template_error("template_mismatch", file_, e.line, e.text));
    }
}

std::vector<std::string> Template::placeholders() const {
    std::set<std::string> names;
    collect(*root_, names);
    return {names.begin(), names.end()};
}

Result<Templates> Templates::parse(const std::map<std::string, std::string>& files) {
    std::map<std::string, Template> templates;
    std::string problems;
    for (const auto& [file, text] : files) {
        auto parsed = Template::parse(file, text);
        if (parsed)
            templates.emplace(std::filesystem::path(file).stem().string(), *std::move(parsed));
        else
            problems += (problems.empty() ? "" : "\n") + parsed.error().message;
    }
    if (!problems.empty()) return std::unexpected(Error{ErrorKind::invalid, "invalid_template", problems});
    return Templates(std::move(templates));
}

Result<Templates> Templates::load(const std::string& directory) {
    std::map<std::string, std::string> files;
    std::error_code e;
    for (const auto& entry : std::filesystem::directory_iterator(directory, e)) {
        if (entry.path().extension() != ".yaml") continue;
        auto text = read_file(entry.path().string());
        if (!text) return std::unexpected(text.error());
        files.emplace(entry.path().string(), *std::move(text));
    }
    if (e || files.empty())
        return std::unexpected(
            Error{ErrorKind::not_found, "templates_not_found",
                  fmt::format("{}: {}", directory, e ? e.message() : "holds no templates (*.yaml)")});
    return parse(files);
}

Result<Templates> Templates::embedded() {
    std::map<std::string, std::string> files;
    for (const auto& [name, content] : toygres::embedded::templates())
        files.emplace(fmt::format("templates/{}", name), content);
    return parse(files);
}

Result<Json> Templates::render(const std::string& name, const Json& values) const {
    const auto it = templates_.find(name);
    if (it == templates_.end())
        return std::unexpected(
            Error{ErrorKind::not_found, "template_not_found", fmt::format("there is no template {}.yaml", name)});
    return it->second.render(values);
}

}  // namespace toygres::kube
