# Some processors have no instruction for each atomic operation, and GCC calls functions of
# libatomic for the others. It is so for single bytes on RISC-V before GCC 14.

include_guard(GLOBAL)
include(CheckCXXSourceCompiles)

# cereggii_link_atomic(<interface library>): links libatomic, if programs do not link without it.
function(cereggii_link_atomic target)
  if(MSVC)
    return()
  endif()
  set(program [[
    #include <atomic>
    #include <cstdint>
    std::atomic<bool> flag{false};
    std::atomic<std::uint8_t> byte{0};
    std::atomic<std::uint64_t> word{0};
    int main() {
        bool was = flag.exchange(true);
        flag.compare_exchange_strong(was, false);
        return static_cast<int>(byte.fetch_or(1) + word.fetch_add(1));
    }
  ]])
  # Not 20: CMake would look for modules in the program first, with a tool of clang that is often
  # missing, and the program would seem not to link.
  set(CMAKE_CXX_STANDARD 17)
  check_cxx_source_compiles("${program}" CEREGGII_LINKS_WITHOUT_LIBATOMIC)
  if(CEREGGII_LINKS_WITHOUT_LIBATOMIC)
    return()
  endif()
  set(CMAKE_REQUIRED_LIBRARIES atomic)
  check_cxx_source_compiles("${program}" CEREGGII_LINKS_WITH_LIBATOMIC)
  if(NOT CEREGGII_LINKS_WITH_LIBATOMIC)
    message(FATAL_ERROR "No program with std::atomic links, neither without libatomic nor with it")
  endif()
  target_link_libraries(${target} INTERFACE atomic)
endfunction()
