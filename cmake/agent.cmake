# toygres-agent must run in any postgres image (glibc or musl): one fully static binary. It is made of objects of its own,
# because Debian has no static libfmt and sanitizers do not link statically.
add_library(toygres_static_options INTERFACE)
get_target_property(agent_compile_options toygres_options INTERFACE_COMPILE_OPTIONS)
list(FILTER agent_compile_options EXCLUDE REGEX "sanitize")
get_target_property(agent_definitions toygres_options INTERFACE_COMPILE_DEFINITIONS)
target_compile_options(toygres_static_options INTERFACE ${agent_compile_options} -ffunction-sections -fdata-sections)
target_compile_definitions(toygres_static_options INTERFACE ${agent_definitions})
target_include_directories(toygres_static_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
foreach(library ssl crypto boost_url yaml-cpp)
  find_library(TOYGRES_STATIC_${library} lib${library}.a REQUIRED)
  list(APPEND agent_libraries ${TOYGRES_STATIC_${library}})
endforeach()

file(GLOB agent_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/base/*.cpp ${CMAKE_SOURCE_DIR}/src/http/*.cpp
  ${CMAKE_SOURCE_DIR}/src/ha/*.cpp ${CMAKE_SOURCE_DIR}/src/kube/*.cpp ${CMAKE_SOURCE_DIR}/src/agent/*.cpp)
# The templates are the control plane's.
list(FILTER agent_sources EXCLUDE REGEX "/kube/(template|manifests|certificates|agents|trouble)\\.cpp$")
add_executable(toygres-agent ${agent_sources})
target_link_libraries(toygres-agent PRIVATE toygres_static_options fmt::fmt-header-only CLI11::CLI11 Boost::headers
  nlohmann_json::nlohmann_json Threads::Threads ${agent_libraries})
target_precompile_headers(toygres-agent PRIVATE ${CMAKE_SOURCE_DIR}/src/base/pch.hpp)
target_link_options(toygres-agent PRIVATE -static -Wl,--gc-sections -Wl,--strip-all)
if(TOYGRES_MOLD)
  target_link_options(toygres-agent PRIVATE -fuse-ld=mold)
endif()
