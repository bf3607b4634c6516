# Copies of sources for tests: in them a thread may lose the processor at every atomic operation.

include_guard(GLOBAL)

# cereggii_interrupt(<original> <copy> [<old> <new>]...): also replaces each <old>, which must be
# there.
function(cereggii_interrupt original copy)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${original}")
  file(READ "${original}" text)
  string(REPLACE "std::atomic<" "::cereggii::testing::InterruptedAtomic<" text "${text}")
  string(REPLACE "compare_exchange_weak(" "compare_exchange_strong(" text "${text}")
  while(ARGN)
    list(POP_FRONT ARGN old new)
    string(REPLACE "${old}" "${new}" replaced "${text}")
    if(replaced STREQUAL text)
      message(FATAL_ERROR "${original} has changed: adapt what is replaced in it")
    endif()
    set(text "${replaced}")
  endwhile()
  set(atomic "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../tests/interrupted_atomic.hpp")
  string(PREPEND text "#include \"${atomic}\"\n#line 1 \"${original}\"\n")
  file(CONFIGURE OUTPUT "${copy}" CONTENT "${text}" @ONLY)
endfunction()

# cereggii_interrupt_all(<folder> <copy>): all C++ sources of a folder.
function(cereggii_interrupt_all folder copy)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE "${folder}"
       "${folder}/*.hpp" "${folder}/*.cpp")
  foreach(source IN LISTS sources)
    cereggii_interrupt("${folder}/${source}" "${copy}/${source}")
  endforeach()
endfunction()
