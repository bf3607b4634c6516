# Which symbols an extension module has for others.

include_guard(GLOBAL)

# Python looks for one function of an extension module. Nothing else is exported, not even nanobind's
# exceptions: no other library in the process can be bound to them.
function(cereggii_export_only_init module)
  if(APPLE)
    target_link_options(${module} PRIVATE "-Wl,-exported_symbol,_PyInit_${module}")
  elseif(UNIX)
    set(exports "${CMAKE_CURRENT_BINARY_DIR}/${module}.exports")
    file(CONFIGURE OUTPUT "${exports}" CONTENT "{ global: PyInit_@module@; local: *; };\n" @ONLY)
    target_link_options(${module} PRIVATE "-Wl,--version-script=${exports}")
  endif()
endfunction()
