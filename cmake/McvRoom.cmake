# The two functions that every room's build file is written with.

set(MCV_ROOM_ORDER base formats family kernels model engine apps)

add_library(mcv_flags INTERFACE)
target_include_directories(mcv_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_options(mcv_flags INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 takes "text" + std::string at -O3 for an overlapping copy (GCC bug 105651).
  target_compile_options(mcv_flags INTERFACE -Wno-restrict)
endif()
# The numbers must be the same on every build: no contraction of a*b+c behind the kernels' back.
target_compile_options(mcv_flags INTERFACE -ffp-contract=off)
if(MCV_SANITIZE)
  target_compile_options(mcv_flags INTERFACE -fsanitize=${MCV_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
  target_link_options(mcv_flags INTERFACE -fsanitize=${MCV_SANITIZE})
endif()
if(MCV_FUZZ)
  target_compile_options(mcv_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What takes no time when it runs should take little when it is compiled.
function(mcv_compile_lightly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# The files of a LIGHT room that are hot all the same. They are never compiled joined.
function(mcv_hot_sources)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)
endfunction()

# mcv_room(name [SEPARATE] [LIGHT] DEPENDS lower-rooms... SOURCES files... [LINK libraries...] [PRIVATE_LINK libraries...])
# Makes the static library mcv_<name>. Stops the configure step on an upward dependency. SEPARATE: its
# files use the same names for different things and are never compiled joined (the sanitize preset).
# LIGHT: little in it is hot (mcv_hot_sources says what).
function(mcv_room name)
  cmake_parse_arguments(ROOM "SEPARATE;LIGHT" "" "DEPENDS;SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  list(FIND MCV_ROOM_ORDER ${name} own_index)
  add_library(mcv_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(mcv_${name} PUBLIC mcv_flags ${ROOM_LINK} PRIVATE ${ROOM_PRIVATE_LINK})
  if(ROOM_SEPARATE)
    set_target_properties(mcv_${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  if(ROOM_LIGHT)
    mcv_compile_lightly(mcv_${name})
  endif()
  foreach(lower ${ROOM_DEPENDS})
    list(FIND MCV_ROOM_ORDER ${lower} lower_index)
    if(lower_index GREATER_EQUAL own_index)
      message(FATAL_ERROR "room ${name} may not depend on ${lower}: the order is ${MCV_ROOM_ORDER}")
    endif()
    target_link_libraries(mcv_${name} PUBLIC mcv_${lower})
  endforeach()
endfunction()

# mcv_test(name [SEPARATE] [UNSANITIZED] LABELS labels... LINK libraries... SOURCES files...)
# One GoogleTest program. Labels: fast (default), kernels (fast, but minutes with sanitizers), model,
# slow, trainer (tests/README.md). Only fast ones are built with sanitizers unless they are asked for by
# name. UNSANITIZED: not even then; it reads nothing from outside the project and compiles for long.
function(mcv_test name)
  if(NOT MCV_TESTS)
    return()
  endif()
  cmake_parse_arguments(TEST "SEPARATE;UNSANITIZED" "" "LABELS;LINK;SOURCES" ${ARGN})
  if(MCV_SANITIZE AND TEST_UNSANITIZED)
    return()
  endif()
  find_package(GTest REQUIRED)
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE mcv_flags ${TEST_LINK} GTest::gmock GTest::gtest_main)
  if(NOT "trainer" IN_LIST TEST_LABELS)  # those share a precompiled header, and so its flags
    mcv_compile_lightly(${name})
  endif()
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")  # for tests/support
  target_compile_definitions(${name} PRIVATE
    MCV_SHARED_GOLDENS="${MCV_SHARED_GOLDENS}" MCV_TESTDATA="${PROJECT_SOURCE_DIR}/testdata"
    MCV_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(MCV_SANITIZE)
    target_compile_definitions(${name} PRIVATE MCV_SANITIZED)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  if(TEST_SEPARATE)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  if(NOT TEST_LABELS)
    set(TEST_LABELS fast)
  endif()
  if(MCV_SANITIZE AND NOT "fast" IN_LIST TEST_LABELS)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT 600)
endfunction()
