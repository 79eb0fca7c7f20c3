# The standard headers that nearly every file includes, compiled once: parsing them is most of what
# a file costs. Sources still include what they use; the presets without WORKMAND_PCH prove it.
set(WORKMAND_STANDARD_HEADERS
  <algorithm> <array> <charconv> <chrono> <cstddef> <cstdint> <cstring> <deque> <functional> <iterator>
  <list> <map> <memory> <mutex> <optional> <random> <span> <stdexcept> <string> <string_view> <utility>
  <variant> <vector> <tl/expected.hpp>)

# A precompiled header fits only targets compiled with the same flags: one with -fPIC (modules and
# what is linked into them), one without.
foreach(kind plain pic)
  add_library(workmand_pch_${kind} OBJECT ${CMAKE_CURRENT_LIST_DIR}/base/precompiled.cc)
  target_link_libraries(workmand_pch_${kind} PRIVATE workmand_options tl::expected)
  target_precompile_headers(workmand_pch_${kind} PRIVATE ${WORKMAND_STANDARD_HEADERS})
endforeach()
set_target_properties(workmand_pch_pic PROPERTIES POSITION_INDEPENDENT_CODE ON)

# Lets every C++ target of ours below `directory` use it that has no precompiled header of its own.
function(workmand_precompile directory)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(sources ${target} SOURCES)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    get_target_property(own ${target} PRECOMPILE_HEADERS)
    get_target_property(reused ${target} PRECOMPILE_HEADERS_REUSE_FROM)
    if(NOT type MATCHES "^(STATIC_LIBRARY|MODULE_LIBRARY|EXECUTABLE)$" OR NOT sources MATCHES "\\.cc"
       OR own OR reused OR NOT libraries MATCHES "workm")
      continue()
    endif()
    get_target_property(pic ${target} POSITION_INDEPENDENT_CODE)
    set(kind plain)
    if(type STREQUAL "MODULE_LIBRARY" OR (pic AND NOT type STREQUAL "EXECUTABLE"))
      set(kind pic)
    endif()
    target_precompile_headers(${target} REUSE_FROM workmand_pch_${kind})
  endforeach()
  get_property(below DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(one IN LISTS below)
    workmand_precompile(${one})
  endforeach()
endfunction()
