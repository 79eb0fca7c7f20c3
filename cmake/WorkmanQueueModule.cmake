# workmand_queue_module(NAME SOURCES … [LIBS …]): a driver module NAME.so for `driver: NAME` in a
# profile. In the project's own tree and outside of it, after find_package(workman_driver), alike. Installed
# to WORKMAN_QUEUE_DIR.
set(WORKMAN_QUEUE_DIR "lib/workman/queues" CACHE STRING
  "Where driver modules are installed, below the prefix or absolute")

function(workmand_queue_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_library(workmand_queue_${name} MODULE ${arg_SOURCES})
  target_link_libraries(workmand_queue_${name} PRIVATE ${arg_LIBS} workman::driver)
  # Two modules may bring the same symbols: each keeps its own to itself.
  set_target_properties(workmand_queue_${name} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name} SUFFIX .so
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/workman/queues)
  target_link_options(workmand_queue_${name} PRIVATE -Wl,--exclude-libs,ALL)
  install(TARGETS workmand_queue_${name} LIBRARY DESTINATION ${WORKMAN_QUEUE_DIR})
endfunction()
