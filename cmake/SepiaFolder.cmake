# sepia_folder(NAME [LIBRARIES lib...]): the *.cpp files of the calling folder (not of its sub-folders) become the object
# library sepia_NAME. SEPIA_OBJECT_LIBRARIES collects all of them for the one library that is installed.
add_library(sepia_options INTERFACE)
target_include_directories(sepia_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(sepia_options INTERFACE -Wall -Wextra -Wno-restrict)
# One rounding for every formula on every machine: contraction to FMA only where the code says so.
target_compile_options(sepia_options INTERFACE -ffp-contract=off)
if(SEPIA_WERROR)
  target_compile_options(sepia_options INTERFACE -Werror)
endif()
if(SEPIA_SERIAL)
  target_compile_definitions(sepia_options INTERFACE SEPIA_SERIAL=1)
endif()
if(SEPIA_SANITIZE)
  target_compile_options(sepia_options INTERFACE -fsanitize=${SEPIA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sepia_options INTERFACE -fsanitize=${SEPIA_SANITIZE})
  # GCC's own manual: sanitizers change the flow that this warning reasons about; with them it fires inside <regex>.
  target_compile_options(sepia_options INTERFACE -Wno-maybe-uninitialized)
endif()

function(sepia_folder name)
  cmake_parse_arguments(ARG "" "" "LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(sepia_${name} OBJECT ${sources})
  target_link_libraries(sepia_${name} PRIVATE sepia_options ${ARG_LIBRARIES})
  set_property(GLOBAL APPEND PROPERTY SEPIA_OBJECT_LIBRARIES sepia_${name})
  set_property(GLOBAL APPEND PROPERTY SEPIA_LINK_LIBRARIES ${ARG_LIBRARIES})
endfunction()
