# How every target of the tree is declared. One static library per folder; a folder includes only
# what it declares, and a few system libraries belong to one folder each: both are checked here, at
# configure time, so that a wrong arrow never compiles.

find_package(Threads REQUIRED)
add_custom_target(fuzzers)  # all of them and nothing else
add_custom_target(threaded-tests)  # what runs under tsan

add_library(seaward_flags INTERFACE)
target_include_directories(seaward_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(seaward_flags INTERFACE _GNU_SOURCE
                           SEAWARD_VERSION="${PROJECT_VERSION}")
target_compile_options(seaward_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Werror=switch>)
target_link_libraries(seaward_flags INTERFACE Threads::Threads)
if(SEAWARD_MUTANTS)
  target_compile_definitions(seaward_flags INTERFACE SEAWARD_MUTANTS)
endif()
# What seaward-agent is made of. Other programs take the ordinary code of the same objects.
set(SEAWARD_LTO_FOLDERS "^(base|protocol|guest-agent)(/|$)")
set(SEAWARD_LTO_FLAGS -Os -flto=auto -ffat-lto-objects)
if(SEAWARD_SANITIZE)
  target_compile_options(seaward_flags INTERFACE -fsanitize=${SEAWARD_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(seaward_flags INTERFACE -fsanitize=${SEAWARD_SANITIZE})
  if(SEAWARD_SANITIZE MATCHES thread)
    # ThreadSanitizer knows no fences; Boost.Asio's are of no use to a loop that one thread runs.
    target_compile_definitions(seaward_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
    target_compile_options(seaward_flags INTERFACE -Wno-tsan)
  endif()
endif()

# include prefix -> the only folders that may use it (tests/ may use all)
set(SEAWARD_RESTRICTED_INCLUDES
  "libvirt/=host-notifier/libvirt"
  "boost/interprocess/=host-notifier/vmm,host-notifier/ring"
  "yaml-cpp/=host-notifier/config,guest-agent/config,base/yaml"
  "prometheus/=host-notifier/metrics"
  "sqlite3.h=host-notifier/ledger")

# Fails when a file of this folder includes another folder of ours that DEPS does not name.
function(_seaward_check_includes folder deps)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(allowed ${folder})
  foreach(dep IN LISTS deps)
    get_property(dep_folder GLOBAL PROPERTY SEAWARD_FOLDER_${dep})
    get_property(dep_deps GLOBAL PROPERTY SEAWARD_ALLOWED_${dep})
    list(APPEND allowed ${dep_folder} ${dep_deps})
  endforeach()
  list(REMOVE_DUPLICATES allowed)
  foreach(file IN LISTS files)
    if(file MATCHES "_(test|bench|fuzzer)\\.cc$|_fixture\\.h$")
      continue()
    endif()
    file(STRINGS ${file} includes REGEX "^#include [\"<]")
    foreach(line IN LISTS includes)
      if(line MATCHES "^#include \"((base|protocol|host-notifier|guest-agent|tests)[^\"]*)/[^/\"]+\"")
        if(NOT CMAKE_MATCH_1 IN_LIST allowed)
          message(FATAL_ERROR "${file}: includes ${CMAKE_MATCH_1}, which ${folder} does not declare in DEPS")
        endif()
      endif()
      foreach(rule IN LISTS SEAWARD_RESTRICTED_INCLUDES)
        string(REGEX MATCH "^([^=]+)=(.*)$" _ "${rule}")
        set(prefix ${CMAKE_MATCH_1})
        string(REPLACE "," ";" owners "${CMAKE_MATCH_2}")
        if(line MATCHES "^#include <${prefix}" AND NOT folder IN_LIST owners)
          message(FATAL_ERROR "${file}: <${prefix}...> belongs to ${owners} alone")
        endif()
      endforeach()
    endforeach()
  endforeach()
  set(allowed ${allowed} PARENT_SCOPE)
endfunction()

# seaward_library(NAME SOURCES files... DEPS our targets... LINK outside libraries...)
function(seaward_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LINK" ${ARGN})
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  _seaward_check_includes(${folder} "${arg_DEPS}")
  set_property(GLOBAL PROPERTY SEAWARD_FOLDER_${name} ${folder})
  set_property(GLOBAL PROPERTY SEAWARD_ALLOWED_${name} "${allowed}")
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC seaward_flags ${arg_DEPS} ${arg_LINK})
    if(SEAWARD_AGENT_LTO AND folder MATCHES "${SEAWARD_LTO_FOLDERS}")
      target_compile_options(${name} PRIVATE ${SEAWARD_LTO_FLAGS})
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE seaward_flags ${arg_DEPS} ${arg_LINK})
  endif()
endfunction()

# seaward_executable(NAME SOURCES files... DEPS our targets... LINK outside libraries...)
function(seaward_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE seaward_flags ${arg_DEPS} ${arg_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# seaward_test(NAME SOURCES files... DEPS targets... LINK libraries... [LABEL unit] [TIMEOUT 120]
#              [PATHS files...] [THREADS])
# One ctest case per binary; unit tests need no root and no guest. Only the files in PATHS see
# SEAWARD_SOURCE_DIR and SEAWARD_BINARY_DIR: for all others a compiler cache serves every checkout.
# THREADS: more than one thread shares memory, so ./dev test runs it under tsan as well.
function(seaward_test name)
  if(NOT SEAWARD_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "THREADS" "LABEL;TIMEOUT" "SOURCES;DEPS;LINK;ENVIRONMENT;PATHS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(arg_THREADS)
    list(APPEND arg_LABEL threads)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  find_package(GTest REQUIRED)
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE seaward_flags ${arg_DEPS} ${arg_LINK} GTest::gmock GTest::gtest_main)
  set_source_files_properties(${arg_PATHS} PROPERTIES COMPILE_DEFINITIONS
    "SEAWARD_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\";SEAWARD_BINARY_DIR=\"${PROJECT_BINARY_DIR}\"")
  target_compile_options(${name} PRIVATE -O0)  # half of the build's time, and no test needs more
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  if(arg_THREADS)
    add_dependencies(threaded-tests ${name})
  endif()
  if(SEAWARD_SANITIZE MATCHES thread)
    list(APPEND arg_ENVIRONMENT
         "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/packaging/cmake/tsan.supp")
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT}
                       ENVIRONMENT "${arg_ENVIRONMENT}" SKIP_REGULAR_EXPRESSION "^SEAWARD-SKIP:")
endfunction()

# seaward_fuzzer(NAME SOURCES files... DEPS targets... CORPUS folder)
function(seaward_fuzzer name)
  if(NOT SEAWARD_BUILD_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;DEPS;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE seaward_flags ${arg_DEPS} ${arg_LINK})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  add_dependencies(fuzzers ${name})
  if(arg_CORPUS)  # beside the binary, so that ./dev fuzz finds the seeds
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/${arg_CORPUS} ${PROJECT_BINARY_DIR}/fuzz/${name}.corpus SYMBOLIC)
  endif()
endfunction()
