# What `cmake --install` puts under the prefix: the program, the static library, its public headers, the CMake package
# that find_package(attune) reads, and the completion of the program's commands and flags in bash.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Inside the build the library's users see the source tree, outside the installed headers. Those need the standard
# library alone; what the archive itself was compiled against is only linked.
target_include_directories(attune_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(attune_library INTERFACE cxx_std_20)
# The OpenMP run time is the one of this build (gomp for gcc, which oneDNN uses too), not the one that the user's compiler
# would choose: two in a process are two pools of threads.
foreach(library attune::dnnl fmt::fmt ZLIB::ZLIB PkgConfig::ATTUNE_HWY PkgConfig::ATTUNE_SENTENCEPIECE
    ${OpenMP_CXX_LIB_NAMES})
  target_link_libraries(attune_library INTERFACE $<INSTALL_INTERFACE:$<LINK_ONLY:${library}>>)
endforeach()
set_target_properties(attune_library PROPERTIES EXPORT_NAME attune)
add_library(attune::attune ALIAS attune_library)

install(TARGETS attune_library EXPORT attune ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)

# Not for users: parts of one room's insides and help for tests. tools/check_headers.sh notices when a public header
# includes one of them.
set(internal_headers
  "-inl|_(cpu|test|kernels|kinds|tables|items|terms)"
  "/(op_checks|module_gradients|row_layout|weight_product|product_common|onednn|ngram_trie|parallel_text|manifest|resume|final_model|json)"
  "/(grammar_lexicon|grammar_phrases|grammar_sentence|scaled_dot_plan|scaled_dot_relative|scaled_dot_blocks|recurrence_run)")
list(JOIN internal_headers "|" internal_headers)
foreach(room IN LISTS ATTUNE_ROOMS)
  file(GLOB headers CONFIGURE_DEPENDS src/attune/${room}/*.h)
  list(FILTER headers EXCLUDE REGEX "(${internal_headers})\\.h$")
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/attune/${room} COMPONENT headers)
endforeach()

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/attune)
configure_package_config_file(cmake/attuneConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/attuneConfig.cmake
  INSTALL_DESTINATION ${package_directory} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/attuneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT attune NAMESPACE attune:: FILE attuneTargets.cmake DESTINATION ${package_directory} COMPONENT library)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/attuneConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/attuneConfigVersion.cmake
  DESTINATION ${package_directory} COMPONENT library)

if(TARGET attune)
  install(TARGETS attune RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  if(NOT CMAKE_CROSSCOMPILING)  # the program writes its own completion
    set(completion ${CMAKE_CURRENT_BINARY_DIR}/attune.bash-completion)
    install(CODE "execute_process(COMMAND \"$<TARGET_FILE:attune>\" --completion bash OUTPUT_FILE \"${completion}\"
      COMMAND_ERROR_IS_FATAL ANY)" COMPONENT program)
    install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME attune
      COMPONENT program)
  endif()
endif()
