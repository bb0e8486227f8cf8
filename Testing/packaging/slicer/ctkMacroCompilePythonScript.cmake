# Copies each file to the same relative place under DESTINATION_DIR when building, and installs that whole folder:
# itself, or with NO_INSTALL_SUBDIR only what is in it. Unlike CTK's it does not compile the scripts.
macro(ctkMacroCompilePythonScript)
  cmake_parse_arguments(CTK "NO_INSTALL_SUBDIR" "TARGET_NAME;DESTINATION_DIR;INSTALL_DIR" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(argument IN ITEMS TARGET_NAME SCRIPTS DESTINATION_DIR INSTALL_DIR)
    if(NOT CTK_${argument})
      message(FATAL_ERROR "${argument} is mandatory")
    endif()
  endforeach()

  set(CTK_COPIES)
  foreach(file IN LISTS CTK_SCRIPTS CTK_RESOURCES)
    add_custom_command(
      OUTPUT ${CTK_DESTINATION_DIR}/${file}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file}
      COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_CURRENT_SOURCE_DIR}/${file} ${CTK_DESTINATION_DIR}/${file}
      )
    list(APPEND CTK_COPIES ${CTK_DESTINATION_DIR}/${file})
  endforeach()
  add_custom_target(Copy${CTK_TARGET_NAME}PythonFiles ALL DEPENDS ${CTK_COPIES})

  set(CTK_INSTALLED_DIR ${CTK_DESTINATION_DIR})
  if(CTK_NO_INSTALL_SUBDIR)
    set(CTK_INSTALLED_DIR ${CTK_DESTINATION_DIR}/)
  endif()
  install(DIRECTORY ${CTK_INSTALLED_DIR} DESTINATION ${CTK_INSTALL_DIR} COMPONENT RuntimeLibraries)
endmacro()
