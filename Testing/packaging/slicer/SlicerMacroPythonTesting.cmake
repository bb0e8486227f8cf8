# Registers a script as a test that Slicer runs. Slicer's own notices a missing script only when the test runs.
macro(slicer_add_python_unittest)
  cmake_parse_arguments(SLICER_TEST "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${SLICER_TEST_SCRIPT})
    message(FATAL_ERROR "slicer_add_python_unittest given nonexistent script '${SLICER_TEST_SCRIPT}'")
  endif()
  get_filename_component(SLICER_TEST_NAME ${SLICER_TEST_SCRIPT} NAME_WE)
  add_test(
    NAME py_${SLICER_TEST_TESTNAME_PREFIX}${SLICER_TEST_NAME}
    COMMAND ${Slicer_LAUNCHER_EXECUTABLE} --testing --python-script ${CMAKE_CURRENT_SOURCE_DIR}/${SLICER_TEST_SCRIPT}
    )
endmacro()
