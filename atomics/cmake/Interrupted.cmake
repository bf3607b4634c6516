# Copies of sources for tests: in them a thread may lose the processor at every atomic operation.

include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/Copies.cmake")

# cereggii_interrupt(<original> <copy> [<old> <new>]...): also replaces each <old>, which must be
# there.
function(cereggii_interrupt original copy)
  set(anywhere
      "std::atomic<" "::cereggii::testing::InterruptedAtomic<"
      "compare_exchange_weak(" "compare_exchange_strong(")
  set(header "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../tests/interrupted_atomic.hpp")
  cereggii_copy_with("${original}" "${copy}" "${header}" "${anywhere}" ${ARGN})
endfunction()

# cereggii_interrupt_all(<folder> <copy>): all C++ sources of a folder.
function(cereggii_interrupt_all folder copy)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE "${folder}"
       "${folder}/*.hpp" "${folder}/*.cpp")
  foreach(source IN LISTS sources)
    cereggii_interrupt("${folder}/${source}" "${copy}/${source}")
  endforeach()
endfunction()
