# How the extension module of a package is built. It is the same for all packages.

include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/Exports.cmake")

# In this repository, warnings about our own code are errors. In a user's build they are not: that
# compiler may have warnings that did not exist when a release was made.
option(CEREGGII_WERROR "Treat warnings as errors" OFF)

# For tests: it makes the time between two atomic operations long now and then.
option(CEREGGII_INTERRUPTED "Interrupt threads at random at their atomic operations" OFF)
include("${CMAKE_CURRENT_LIST_DIR}/Interrupted.cmake")

# For tests of the fuzzer: bugs that an environment variable switches on.
option(CEREGGII_PLANTED "Build with the ten planted bugs" OFF)
include("${CMAKE_CURRENT_LIST_DIR}/Planted.cmake")

function(cereggii_set_warnings target)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 $<$<BOOL:${CEREGGII_WERROR}>:/WX>)
  else()
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow
                           $<$<BOOL:${CEREGGII_WERROR}>:-Werror>)
  endif()
endfunction()

# Turns C++20 modules off, for the targets that are added later in the caller's scope. CMake would
# look for modules before it compiles anything, with a program of clang that is often missing.
macro(cereggii_use_no_modules)
  set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
endmacro()

# Finds Python, and the nanobind that is installed for it. It is a macro because find_package() and
# nanobind set variables that nanobind_add_module() reads in the caller's scope.
macro(cereggii_find_nanobind)
  cereggii_use_no_modules()
  # Thread-local variables must not go through descriptors (-mtls-dialect=gnu2), which nanobind would
  # choose: before glibc 2.40, the call through a descriptor may change vector registers, and the
  # compiler keeps floats and pointers in them (https://sourceware.org/bugzilla/show_bug.cgi?id=31372).
  # It happens at a thread's first use of a module that was loaded when there was little static room.
  set(NB_HAS_MTLS_GNU2 OFF CACHE INTERNAL "" FORCE)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
  if(NOT COMMAND nanobind_add_module)
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
      OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT
      COMMAND_ERROR_IS_FATAL ANY)
    find_package(nanobind 3 CONFIG REQUIRED)
  endif()
endmacro()

# cereggii_add_extension(<import package> <module> [NUMBERS] <sources>...). Sources include each other
# by their path in src/. NUMBERS: the package has atomic numbers.
function(cereggii_add_extension package module)
  cmake_parse_arguments(PARSE_ARGV 2 with "NUMBERS" "" "")
  set(sources ${with_UNPARSED_ARGUMENTS})
  set(copies "")
  if(CEREGGII_INTERRUPTED)
    set(copies "${CMAKE_CURRENT_BINARY_DIR}/interrupted")
    cereggii_interrupt_all("${CMAKE_CURRENT_SOURCE_DIR}/src" "${copies}/src")
    cereggii_interrupt_all("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../include" "${copies}/include")
    list(TRANSFORM sources PREPEND "${copies}/")
  elseif(CEREGGII_PLANTED)
    set(copies "${CMAKE_CURRENT_BINARY_DIR}/planted")
    cereggii_copy_all("${CMAKE_CURRENT_SOURCE_DIR}/src" "${copies}/src")
    cereggii_copy_all("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../include" "${copies}/include")
    cereggii_plant_all("${copies}")
    list(TRANSFORM sources PREPEND "${copies}/")
  endif()
  nanobind_add_module(
    ${module} NB_STATIC FREE_THREADED NB_DOMAIN cereggii NOMINSIZE LTO NB_SUPPRESS_WARNINGS
    ${sources})
  if(copies)
    target_include_directories(${module} BEFORE PRIVATE "${copies}/include" "${copies}/src")
  else()
    target_include_directories(${module} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/src")
  endif()
  target_link_libraries(${module} PRIVATE cereggii::atomics)
  cereggii_export_only_init(${module})
  cereggii_set_warnings(${module})
  install(TARGETS ${module} LIBRARY DESTINATION ${package})
  # The Python code that the packages have in common.
  set(python "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../python")
  install(FILES "${python}/_copying.py" "${python}/_pydantic.py" DESTINATION ${package})
  if(with_NUMBERS)
    install(FILES "${python}/_numbers.py" DESTINATION ${package})
  endif()
endfunction()
