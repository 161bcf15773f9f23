# The functions with which each folder says in one or two lines what it is. Sources are globbed, so that adding a file
# never needs an edit here.

# Generated sources lie under this root at the path of what they come from: runtime/base/tensor.proto is included as
# "runtime/base/tensor.pb.h".
set(SHARDWRIGHT_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")

# What all of our own code is compiled with.
add_library(sw_own_code INTERFACE)
# The two that are off are wrong too often in GCC 12 when it inlines other people's headers (std::string, SmallVector).
target_compile_options(sw_own_code INTERFACE -Wall -Wextra -Werror -Wno-maybe-uninitialized -Wno-restrict)

function(_shardwright_include_roots target scope)
  target_include_directories(${target} ${scope} "${PROJECT_SOURCE_DIR}")
  target_include_directories(${target} SYSTEM ${scope} "${SHARDWRIGHT_GENERATED_DIR}")
endfunction()

# shardwright_library(<name> [FOLDERS glob...] DEPS ...): a static library of the *.cc files of the calling folder and of
# the folders below it that match the globs; headers only while there is none.
function(shardwright_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FOLDERS;DEPS")
  set(patterns *.cc)
  foreach(folder IN LISTS arg_FOLDERS)
    list(APPEND patterns "${folder}/*.cc")
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  if(sources)
    add_library(${name} STATIC ${sources})
    _shardwright_include_roots(${name} PUBLIC)
    target_link_libraries(${name} PUBLIC ${arg_DEPS} PRIVATE $<BUILD_INTERFACE:sw_own_code>)
  else()
    add_library(${name} INTERFACE)
    _shardwright_include_roots(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_DEPS})
  endif()
endfunction()

# shardwright_proto(<name> <file.proto> [DEPS other protos...]): a library of the C++ that protoc makes of the file;
# imports are written from the repository's root.
function(shardwright_proto name file)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPS")
  cmake_path(ABSOLUTE_PATH file OUTPUT_VARIABLE source)
  file(GLOB present CONFIGURE_DEPENDS "${source}")
  if(NOT present)
    add_library(${name} INTERFACE)
    return()
  endif()
  cmake_path(RELATIVE_PATH source BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE relative)
  cmake_path(REMOVE_EXTENSION relative OUTPUT_VARIABLE stem)
  set(outputs "${SHARDWRIGHT_GENERATED_DIR}/${stem}.pb.cc" "${SHARDWRIGHT_GENERATED_DIR}/${stem}.pb.h")
  file(MAKE_DIRECTORY "${SHARDWRIGHT_GENERATED_DIR}")
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND protobuf::protoc "--cpp_out=${SHARDWRIGHT_GENERATED_DIR}" "-I${PROJECT_SOURCE_DIR}" "${source}"
    DEPENDS "${source}" protobuf::protoc
    COMMENT "protoc ${relative}"
    VERBATIM)
  add_library(${name} STATIC ${outputs})
  target_include_directories(${name} SYSTEM PUBLIC "${SHARDWRIGHT_GENERATED_DIR}")
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${arg_DEPS})
endfunction()

# shardwright_tablegen(<library> <file.td> <suffix> <mlir-tblgen action>...): adds <stem><suffix>, made by mlir-tblgen, to
# what must exist before the library and its users compile.
function(shardwright_tablegen library file suffix)
  cmake_path(ABSOLUTE_PATH file OUTPUT_VARIABLE source)
  cmake_path(RELATIVE_PATH source BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE relative)
  cmake_path(REMOVE_EXTENSION relative OUTPUT_VARIABLE stem)
  set(output "${SHARDWRIGHT_GENERATED_DIR}/${stem}${suffix}")
  cmake_path(GET output PARENT_PATH folder)
  file(MAKE_DIRECTORY "${folder}")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND mlir-tblgen ${ARGN} "${source}" "-I${PROJECT_SOURCE_DIR}" "-I${MLIR_INCLUDE_DIRS}" -o "${output}" -d "${output}.d"
    DEPFILE "${output}.d"
    DEPENDS "${source}" mlir-tblgen
    COMMENT "mlir-tblgen ${stem}${suffix}"
    VERBATIM)
  # As a source of the library, it is made before the library and whatever links it compile.
  target_sources(${library} PRIVATE "${output}")
endfunction()

# shardwright_dialect(<library> <dialect> <file.td>): what mlir-tblgen makes of one dialect's definitions, included as
# "<folder>/<stem>_{dialect,attrs,types,enums,ops}.{h,cpp}.inc". Does nothing while the .td is not there.
function(shardwright_dialect library dialect file)
  cmake_path(ABSOLUTE_PATH file OUTPUT_VARIABLE source)
  file(GLOB present CONFIGURE_DEPENDS "${source}")
  if(NOT present)
    return()
  endif()
  shardwright_tablegen(${library} ${file} _dialect.h.inc -gen-dialect-decls -dialect=${dialect})
  shardwright_tablegen(${library} ${file} _dialect.cpp.inc -gen-dialect-defs -dialect=${dialect})
  shardwright_tablegen(${library} ${file} _attrs.h.inc -gen-attrdef-decls -attrdefs-dialect=${dialect})
  shardwright_tablegen(${library} ${file} _attrs.cpp.inc -gen-attrdef-defs -attrdefs-dialect=${dialect})
  shardwright_tablegen(${library} ${file} _types.h.inc -gen-typedef-decls -typedefs-dialect=${dialect})
  shardwright_tablegen(${library} ${file} _types.cpp.inc -gen-typedef-defs -typedefs-dialect=${dialect})
  shardwright_tablegen(${library} ${file} _enums.h.inc -gen-enum-decls)
  shardwright_tablegen(${library} ${file} _enums.cpp.inc -gen-enum-defs)
  shardwright_tablegen(${library} ${file} _ops.h.inc -gen-op-decls)
  shardwright_tablegen(${library} ${file} _ops.cpp.inc -gen-op-defs)
endfunction()

# shardwright_unit_tests(<name> DEPS ...): one GoogleTest program, unit_<name>, of all *_test.cc below the folder of
# tests/unit that mirrors the calling folder, and one test of ctest.
function(shardwright_unit_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPS")
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE relative)
  set(folder "${PROJECT_SOURCE_DIR}/tests/unit/${relative}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*_test.cc")
  if(NOT sources)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY SHARDWRIGHT_CLAIMED_UNIT_TESTS ${sources})
  add_executable(unit_${name} ${sources})
  target_link_libraries(unit_${name} PRIVATE ${arg_DEPS} sw_own_code GTest::gmock GTest::gtest GTest::gtest_main)
  target_compile_definitions(unit_${name} PRIVATE SHARDWRIGHT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set_target_properties(unit_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  add_test(NAME unit_${name} COMMAND unit_${name} "--gtest_output=xml:${PROJECT_BINARY_DIR}/tests/results/unit_${name}.xml")
  set_tests_properties(unit_${name} PROPERTIES TIMEOUT 600)
endfunction()

# A test in a folder that no call of shardwright_unit_tests looks at would never run; that is an error.
function(shardwright_check_unit_tests_are_claimed)
  file(GLOB_RECURSE all CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/*_test.cc")
  get_property(claimed GLOBAL PROPERTY SHARDWRIGHT_CLAIMED_UNIT_TESTS)
  list(REMOVE_ITEM all ${claimed})
  if(all)
    message(FATAL_ERROR "these tests belong to no folder of the source tree (tests/unit/ mirrors it): ${all}")
  endif()
endfunction()

# shardwright_tool(<name> <file.cc> DEPS ...): an executable of bin/, once its file is there.
function(shardwright_tool name file)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPS")
  file(GLOB sources CONFIGURE_DEPENDS "${file}")
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} sw_own_code CLI11::CLI11)
  target_compile_definitions(${name} PRIVATE SHARDWRIGHT_VERSION="${PROJECT_VERSION}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()
