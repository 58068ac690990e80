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
set(entries "")
list(SORT FILES)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} content)
  string(APPEND entries "    {\"${name}\", R\"~~~~(${content})~~~~\"},\n")
endforeach()
file(WRITE ${SOURCE} "#include \"embedded/${SYMBOL}.hpp\"
namespace toygres::embedded {
namespace { constexpr std::pair<std::string_view, std::string_view> files[] = {
${entries}}; }
std::span<const std::pair<std::string_view, std::string_view>> ${SYMBOL}() { return files; }
}
")
