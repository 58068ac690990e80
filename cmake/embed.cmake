# toygres_embed(target symbol files...): compiles text files into `target` as a table of (file name, content), declared
# in a generated header "embedded/<symbol>.hpp". Migrations and templates travel inside the binary this way.
function(toygres_embed target symbol)
  set(source ${CMAKE_BINARY_DIR}/embedded/${symbol}.cpp)
  set(header ${CMAKE_BINARY_DIR}/embedded/${symbol}.hpp)
  add_custom_command(OUTPUT ${source} ${header}
    COMMAND ${CMAKE_COMMAND} -DSYMBOL=${symbol} -DSOURCE=${source} -DHEADER=${header} "-DFILES=${ARGN}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake VERBATIM)
  target_sources(${target} PRIVATE ${source} ${header})
  set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  target_include_directories(${target} PUBLIC ${CMAKE_BINARY_DIR})
endfunction()
