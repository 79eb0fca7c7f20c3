# The standard headers that nearly every file includes, compiled once: parsing them is most of what
# a file costs. Sources still include what they use; the presets without WORKMAND_PCH prove it.
set(WORKMAND_STANDARD_HEADERS
  <algorithm> <array> <charconv> <chrono> <cstddef> <cstdint> <cstring> <deque> <functional> <iterator>
  <list> <map> <memory> <mutex> <optional> <random> <span> <stdexcept> <string> <string_view> <utility>
  <variant> <vector> <tl/expected.hpp>)

add_library(workmand_pch_plain OBJECT ${CMAKE_CURRENT_LIST_DIR}/base/precompiled.cc)
target_link_libraries(workmand_pch_plain PRIVATE workmand_options tl::expected)
target_precompile_headers(workmand_pch_plain PRIVATE ${WORKMAND_STANDARD_HEADERS})

# Lets every C++ target of ours below `directory` use it that has no precompiled header of its own. It
# fits only what is compiled with the same flags, so not the modules, nor what is linked into them.
function(workmand_precompile directory)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(sources ${target} SOURCES)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    get_target_property(own ${target} PRECOMPILE_HEADERS)
    get_target_property(reused ${target} PRECOMPILE_HEADERS_REUSE_FROM)
    get_target_property(pic ${target} POSITION_INDEPENDENT_CODE)
    if(type MATCHES "^(STATIC_LIBRARY|EXECUTABLE)$" AND sources MATCHES "\\.cc" AND libraries MATCHES "workm"
       AND NOT own AND NOT reused AND NOT pic)
      target_precompile_headers(${target} REUSE_FROM workmand_pch_plain)
    endif()
  endforeach()
  get_property(below DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(one IN LISTS below)
    workmand_precompile(${one})
  endforeach()
endfunction()
