# Copies of sources that run in the checker of the memory model: see tests/model/model.hpp.

include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/Copies.cmake")

# cereggii_model(<original> <copy> [<old> <new>]...): also replaces each <old>, which must be there.
function(cereggii_model original copy)
  set(anywhere
      "std::atomic<" "::cereggii::model::Atomic<"
      "std::mutex" "::cereggii::model::Mutex"
      "std::atomic_thread_fence(" "::cereggii::model::fence("
      "std::this_thread::yield()" "::cereggii::model::yield()"
      "plain<" "::cereggii::model::Plain<")
  set(header "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../tests/model/clocks.hpp")
  cereggii_copy_with("${original}" "${copy}" "${header}" "${anywhere}" ${ARGN})
endfunction()
