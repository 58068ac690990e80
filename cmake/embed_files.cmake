# Run by toygres_embed: writes SOURCE and HEADER from FILES.
file(WRITE ${HEADER} "#pragma once
#include <span>
#include <string_view>
#include <utility>
namespace toygres::embedded {
// File name and content, in the order of the names.
std::span<const std::pair<std::string_view, std::string_view>> ${SYMBOL}();
}
")
# As arrays of characters: compilers need not take a literal of more than 64 KB.
set(arrays "")
set(entries "")
set(number 0)
list(SORT FILES)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} content HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," content "${content}")
  string(APPEND arrays "constexpr char content_${number}[] = {${content}'\\0'};\n")
  string(APPEND entries "    {\"${name}\", {content_${number}, sizeof content_${number} - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${SOURCE} "#include \"embedded/${SYMBOL}.hpp\"
namespace toygres::embedded {
namespace {
${arrays}constexpr std::pair<std::string_view, std::string_view> files[] = {
${entries}};
}
std::span<const std::pair<std::string_view, std::string_view>> ${SYMBOL}() { return files; }
}
")
