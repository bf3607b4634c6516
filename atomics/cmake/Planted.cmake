# Copies of sources with planted bugs, for the tests of the fuzzer (tools/fuzz): `nox -s fuzz --
# --planted`. In the copies each bug is a branch that planted(<number>) takes: see
# tests/planted.hpp. The sources themselves have none of it.

include_guard(GLOBAL)

# cereggii_copy_all(<folder> <copy>): all C++ sources of a folder.
function(cereggii_copy_all folder copy)
  set(header "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../tests/planted.hpp")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE "${folder}"
       "${folder}/*.hpp" "${folder}/*.cpp")
  foreach(source IN LISTS sources)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/${source}")
    file(READ "${folder}/${source}" text)
    string(PREPEND text "#include \"${header}\"\n#line 1 \"${folder}/${source}\"\n")
    file(WRITE "${copy}/${source}" "${text}")
  endforeach()
endfunction()

# cereggii_plant(<copies> <file> <old> <new>): replaces <old>, which must be in the file once. A
# package that has no such file is left as it is.
function(cereggii_plant copies file old new)
  if(NOT EXISTS "${copies}/${file}")
    return()
  endif()
  file(READ "${copies}/${file}" text)
  string(FIND "${text}" "${old}" first)
  string(FIND "${text}" "${old}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "${file} has changed: adapt the bug that is planted in it")
  endif()
  string(REPLACE "${old}" "${new}" text "${text}")
  file(WRITE "${copies}/${file}" "${text}")
endfunction()

# cereggii_plant_all(<copies>): the ten bugs. tools/fuzz/planted.py says what each of them is.
function(cereggii_plant_all copies)
  set(shared "include/cereggii/atomics")

  cereggii_plant("${copies}" "${shared}/checked_int64.hpp"
    [[const std::int64_t old = word_.fetch_add(amount, std::memory_order_seq_cst);]]
    [[const std::int64_t old = ::cereggii::testing::planted(1)
                                     ? word_.exchange(word + amount, std::memory_order_seq_cst)
                                     : word_.fetch_add(amount, std::memory_order_seq_cst);]])

  cereggii_plant("${copies}" "src/map/update.hpp"
    [[if (!holds_key_) atomics::incref_shared(key_.object);]]
    [[if (!holds_key_ && !::cereggii::testing::planted(2)) atomics::incref_shared(key_.object);]])

  cereggii_plant("${copies}" "src/map/update.hpp"
    [[result.outcome == Outcome::removed)
        atomics::decref_shared(result.found);]]
    [[result.outcome == Outcome::removed) {
        if (!::cereggii::testing::planted(3)) atomics::decref_shared(result.found);
    }]])

  cereggii_plant("${copies}" "src/map/exact.cpp"
    [[static_cast<Py_ssize_t>(root->count->live()) : 0;]]
    [[static_cast<Py_ssize_t>(root->count->live())
                : ::cereggii::testing::planted(4) ? 1 : 0;]])

  cereggii_plant("${copies}" "src/map/migration.cpp"
    [[asked[count++] = i;]]
    [[if (!::cereggii::testing::planted(5) || count == 0) asked[count++] = i;]])

  cereggii_plant("${copies}" "${shared}/python/number_methods.hpp"
    [[const bool stored = word->replace(found, Number::unboxed(updated));]]
    [[if (::cereggii::testing::planted(6)) found = word->load();
        const bool stored = word->replace(found, Number::unboxed(updated));]])

  cereggii_plant("${copies}" "src/python/iterables.hpp"
    [[ok = !PyErr_Occurred();]]
    [[if (::cereggii::testing::planted(7)) PyErr_Clear();
            ok = !PyErr_Occurred();]])

  cereggii_plant("${copies}" "${shared}/checked_int64.hpp"
    [[return checked<&subtract_overflows>(amount);]]
    [[return ::cereggii::testing::planted(8) ? checked<&add_overflows>(amount)
                                                : checked<&subtract_overflows>(amount);]])

  cereggii_plant("${copies}" "${shared}/python/blocking.hpp"
    [[lot().notify(address, SIZE_MAX);]]
    [[lot().notify(address, ::cereggii::testing::planted(9) ? 1 : SIZE_MAX);]])

  cereggii_plant("${copies}" "src/map/scan.cpp"
    [[if (kept == entries_.end()) return;]]
    [[if (kept == entries_.end() || ::cereggii::testing::planted(10)) return;]])
endfunction()
