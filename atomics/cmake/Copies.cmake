# Copies of sources for tests, with some of their text replaced.

include_guard(GLOBAL)

# cereggii_copy(<original> <copy> <header> [<old> <new>]...): the copy includes the header first.
# Each <old> must be in the original: otherwise the copy would test something else. Line numbers and
# file names are those of the original.
function(cereggii_copy original copy header)
  cereggii_copy_with("${original}" "${copy}" "${header}" "" ${ARGN})
endfunction()

# The same, where each old text of the list <anywhere> (old;new;old;new) is replaced if it is there.
function(cereggii_copy_with original copy header anywhere)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${original}")
  file(READ "${original}" text)
  while(ARGN)
    list(POP_FRONT ARGN old new)
    string(REPLACE "${old}" "${new}" replaced "${text}")
    if(replaced STREQUAL text)
      message(FATAL_ERROR "${original} has changed: adapt what is replaced in it: ${old}")
    endif()
    set(text "${replaced}")
  endwhile()
  while(anywhere)
    list(POP_FRONT anywhere old new)
    string(REPLACE "${old}" "${new}" text "${text}")
  endwhile()
  string(PREPEND text "#include \"${header}\"\n#line 1 \"${original}\"\n")
  file(CONFIGURE OUTPUT "${copy}" CONTENT "${text}" @ONLY)
endfunction()
