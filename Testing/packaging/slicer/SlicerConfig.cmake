# A stand-in for a build of Slicer: what an extension of scripted modules asks of it, and no more. With it CMake
# configures, builds and packs the extension in seconds; what it stands in for are the files of the same names in
# Slicer and CTK.
set(Slicer_REVISION 31053)
set(Slicer_OS linux)
set(Slicer_ARCHITECTURE amd64)
set(Slicer_LAUNCHER_EXECUTABLE Slicer)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-5.13/qt-scripted-modules)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR ${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionGenerateConfig.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionCPack.cmake)
