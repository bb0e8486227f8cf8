# Packs a scripted module: checks that all listed files exist, and hands them to ctkMacroCompilePythonScript.
# WITH_SUBDIR puts them into a folder of the module's own, named as its source folder.
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(SLICER_MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(SLICER_MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords given to slicerMacroBuildScriptedModule(): ${SLICER_MODULE_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT DEFINED SLICER_MODULE_NAME)
    message(FATAL_ERROR "NAME is mandatory")
  endif()
  foreach(list IN ITEMS SCRIPTS RESOURCES)
    foreach(file IN LISTS SLICER_MODULE_${list})
      if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
        message(FATAL_ERROR "slicerMacroBuildScriptedModule(${list}) given nonexistent file or directory '${file}'")
      endif()
    endforeach()
  endforeach()

  set(SLICER_MODULE_DIR ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
  set(SLICER_MODULE_INSTALL_OPTION NO_INSTALL_SUBDIR)
  if(SLICER_MODULE_WITH_SUBDIR)
    get_filename_component(SLICER_MODULE_SUBDIR ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    string(APPEND SLICER_MODULE_DIR /${SLICER_MODULE_SUBDIR})
    set(SLICER_MODULE_INSTALL_OPTION)
  endif()
  ctkMacroCompilePythonScript(
    TARGET_NAME ${SLICER_MODULE_NAME}
    SCRIPTS ${SLICER_MODULE_SCRIPTS}
    RESOURCES ${SLICER_MODULE_RESOURCES}
    DESTINATION_DIR ${SLICER_MODULE_DIR}
    INSTALL_DIR ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}
    ${SLICER_MODULE_INSTALL_OPTION}
    )

  if(BUILD_TESTING AND SLICER_MODULE_WITH_GENERIC_TESTS)
    add_test(
      NAME py_nomainwindow_qSlicer${SLICER_MODULE_NAME}ModuleGenericTest
      COMMAND ${Slicer_LAUNCHER_EXECUTABLE} --testing --no-main-window
      )
  endif()
endmacro()
