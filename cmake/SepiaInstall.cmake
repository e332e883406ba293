# cmake --install: the command, the library, its headers and the CMake package, so that
#   find_package(sepia REQUIRED)
#   target_link_libraries(mine PRIVATE sepia::sepia)
# works for any project that has the prefix in CMAKE_PREFIX_PATH. Headers include each other by their path from the root of
# this tree ("engine/base/error.h"); they are installed below include/sepia, which is therefore an include directory too.
include(CMakePackageConfigHelpers)

install(TARGETS sepia EXPORT sepiaTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
target_include_directories(sepia PUBLIC
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/sepia>)

set(installed_headers ${CMAKE_INSTALL_INCLUDEDIR}/sepia)
install(FILES ${PROJECT_SOURCE_DIR}/include/sepia/sepia.h DESTINATION ${installed_headers})
install(DIRECTORY engine models data DESTINATION ${installed_headers} FILES_MATCHING PATTERN "*.h")
# Of kernels/ only the argument structs and the backend table; how a backend works inside is its own affair.
file(GLOB kernel_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.h)
install(FILES ${kernel_headers} DESTINATION ${installed_headers}/kernels)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/sepia)
install(EXPORT sepiaTargets NAMESPACE sepia:: DESTINATION ${package_folder})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sepiaConfig.cmake.in ${CMAKE_BINARY_DIR}/sepiaConfig.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sepiaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/sepiaConfig.cmake ${CMAKE_BINARY_DIR}/sepiaConfigVersion.cmake DESTINATION ${package_folder})
