#include "kube/template.hpp"

#include "kube/yaml.hpp"
#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::kube;

namespace {

Json render(std::string_view text, const Json& values) {
    const auto parsed = Template::parse("t.yaml", text);
    REQUIRE(parsed);
    const auto out = parsed->render(values);
    INFO((out ? "" : out.error().message));
    REQUIRE(out);
    return *out;
}

std::string problem(std::string_view text, const Json& values) {
    const auto parsed = Template::parse("t.yaml", text);
    if (!parsed) return parsed.error().message;
    const auto out = parsed->render(values);
    return out ? "" : out.error().message;
}

}  // namespace

TEST_CASE("template: a whole placeholder takes the value's own type, a quoted one becomes a text") {
    const auto out = render("a: ${n}\nb: \"${n}\"\nc: ${list}\nd: ${object}\ne: v${n}-${s}\n",
                            {{"n", 17}, {"list", {1, 2}}, {"object", {{"k", "v"}}}, {"s", "x"}});
    CHECK(out == Json({{"a", 17}, {"b", "17"}, {"c", {1, 2}}, {"d", {{"k", "v"}}}, {"e", "v17-x"}}));
}

TEST_CASE("template: null drops the key or the item") {
    CHECK(render("a: ${none}\nb: 1\nc: [x, \"${none}\", \"y\"]\n", {{"none", nullptr}}) ==
          Json({{"b", 1}, {"c", {"x", "y"}}}));
    CHECK(render("a:\n  b: ${none}\n", {{"none", nullptr}}) == Json({{"a", Json::object()}}));
}

TEST_CASE("template: no value can change the structure") {
    const auto out = render("a: ${x}\nb: \"pre ${x}\"\n", {{"x", "1\nc: evil\n\"}]{"}});
    CHECK(out == Json({{"a", "1\nc: evil\n\"}]{"}, {"b", "pre 1\nc: evil\n\"}]{"}}));
    // Nor is a value looked at again.
    CHECK(render("a: ${x}\n", {{"x", "${y}"}}) == Json({{"a", "${y}"}}));
}

TEST_CASE("template: scalars keep the type that they are written in") {
    CHECK(render("a: 1\nb: \"1\"\nc: true\nd: \"true\"\ne: 1.5\nf: 0440\ng: \"\"\nh: 10Gi\ni: |\n  text\nj: $${x}\n",
                 Json::object()) == Json({{"a", 1},
                                          {"b", "1"},
                                          {"c", true},
                                          {"d", "true"},
                                          {"e", 1.5},
                                          {"f", 288},
                                          {"g", ""},
                                          {"h", "10Gi"},
                                          {"i", "text\n"},
                                          {"j", "${x}"}}));
}

TEST_CASE("template: what does not fit is told with file and line") {
    CHECK(problem("a: 1\nb: ${missing}\n", Json::object()) == "t.yaml:2: nobody fills ${missing}");
    CHECK(problem("a: 1\n", {{"extra", 1}}) == "t.yaml:1: nobody uses the value extra");
    CHECK(problem("a: 1\nb: x ${l}\n", {{"l", {1}}}) ==
          "t.yaml:2: ${l} stands in a text but is not a text or a number");
    CHECK(problem("a: 1\nb: x ${l}\n", {{"l", nullptr}}) ==
          "t.yaml:2: ${l} stands in a text but is not a text or a number");
    CHECK(problem("a: 1\nb:\n  a: ${Bad}\n", Json::object()) == "t.yaml:3: a malformed placeholder in \"${Bad}\"");
    CHECK(problem("a: 1\na: 2\n", Json::object()) == "t.yaml:2: the key a is there twice");
    CHECK(problem("a: 1\n${k}: 2\n", Json::object()) == "t.yaml:2: a placeholder in the key ${k}");
    CHECK(problem("a: [1\nb: 2\n", Json::object()).starts_with("t.yaml:"));
    CHECK(problem("a: 1\n---\nb: 1\n", Json::object()) == "t.yaml:2: a second document begins; it may hold one");
    CHECK(problem("- 1\n", Json::object()) == "t.yaml:1: is not a Kubernetes object");
}

TEST_CASE("template: a directory without templates is an error that names it") {
    const auto out = Templates::load("/nowhere/templates");
    REQUIRE_FALSE(out);
    CHECK(out.error().code == "templates_not_found");
    CHECK(out.error().message.starts_with("/nowhere/templates: "));
}

TEST_CASE("template: the source tree and the binary hold the same") {
    const auto files = Templates::load(TOYGRES_SOURCE_DIR "/templates");
    const auto embedded = Templates::embedded();
    REQUIRE(files);
    REQUIRE(embedded);
    std::vector<std::string> in_files;
    std::vector<std::string> in_binary;
    for (const auto& [name, t] : files->all()) in_files.push_back(name);
    for (const auto& [name, t] : embedded->all()) in_binary.push_back(name);
    CHECK(in_files == in_binary);
}

TEST_CASE("yaml: a repeated key or a broken document is an error with file and line") {
    CHECK(parse_yaml("a: 1\nb: {c: 1, c: 2}\n", "f").error().message == "f:2: the key c is there twice");
    CHECK(parse_yaml("a: [1\nb: 2\n", "f").error().code == "invalid_yaml");
    CHECK(*parse_yaml("a: [1, {b: null}]\n", "f") == Json({{"a", {1, {{"b", nullptr}}}}}));
}

TEST_CASE("yaml: numbers that do not fit stay texts") {
    CHECK(yaml_scalar("0440", false) == 0440);
    CHECK(yaml_scalar("07777777777777777777777777", false) == "07777777777777777777777777");
    CHECK(yaml_scalar("+5", false) == 5);
    CHECK(yaml_scalar("+-5", false) == "+-5");
    CHECK(yaml_scalar(".5", false) == 0.5);
    CHECK(yaml_scalar("1e3", false) == 1000.0);
    CHECK(yaml_scalar("1e", false) == "1e");
    CHECK(yaml_scalar("e", false) == "e");
    CHECK(yaml_scalar(std::string(200'000, '7') + "x", false).is_string());
    CHECK(yaml_scalar(std::string(200'000, '7'), false).is_string());
}

TEST_CASE("yaml: aliases can neither make a document endless nor huge") {
    const auto problem_of = [](std::string_view text) { return parse_yaml(text, "x").error().message; };
    CHECK(problem_of("a: &x [*x]") == "x:1: nested too deeply, or repeated too often by its aliases");
    std::string text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
    for (int i = 1; i < 7; ++i) {
        text += fmt::format("a{0}: &a{0} [", i);
        for (int j = 0; j < 10; ++j) text += fmt::format("*a{}, ", i - 1);
        text += "]\n";
    }
    CHECK(problem_of(text).ends_with("nested too deeply, or repeated too often by its aliases"));
    CHECK(problem("a: &x {b: *x}\n", Json::object()).contains("nested too deeply"));
    CHECK(*parse_yaml("a: &x [1]\nb: *x", "x") == Json{{"a", {1}}, {"b", {1}}});
}

TEST_CASE("template: a text that would never end is an error, and so is what is not UTF-8") {
    CHECK(problem(",Nam", Json::object()).starts_with("t.yaml:1: "));
    CHECK(problem("# c\n---\na: 1\n---\nb: 1\n", Json::object()) ==
          "t.yaml:4: a second document begins; it may hold one");
    CHECK(problem("# c\n---\na: 1\n", Json::object()).empty());
    CHECK(problem("a: 1\nb: \xc8\n", Json::object()) == "t.yaml:2: is not UTF-8");
}

TEST_CASE("yaml: text is UTF-8") {
    CHECK_FALSE(end_of_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    for (const std::string_view text :
         {"a\xc3", "a\xff", "a\xc0\x80", "a\xed\xa0\x80", "a\xf4\x90\x80\x80", "a\xe0\x80\x80", "a\x80"})
        CHECK(end_of_utf8(text) == 1U);
    CHECK(parse_yaml("a: 1\nb: \xc8", "x").error().message == "x:2: is not UTF-8");
}
