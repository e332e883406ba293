# CUDA without a GPU: .cu files compiled as plain C++ against the emulator in tests/simt (docs/simt.md).
#
# sepia_simt_library(NAME source.cu...): the shared library NAME made of these files and the emulator. They are compiled with the
# hooks of -fsanitize=thread, which the emulator provides itself: the sanitizer's own library is not linked. -O1 and
# -fno-tree-sra keep a float4 access one access of 16 bytes.
file(GLOB simt_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/simt/core/*.cpp)
add_library(sepia_simt_core OBJECT ${simt_sources})
target_link_libraries(sepia_simt_core PRIVATE sepia_options)
target_include_directories(sepia_simt_core PRIVATE ${PROJECT_SOURCE_DIR}/tests/simt/include)
target_compile_options(sepia_simt_core PRIVATE -O2 -fvisibility=hidden -fno-gnu-unique)

# Inline functions (std::min, dim3) exist in the emulator without hooks and in kernels with them; the linker would keep either. So
# the emulator becomes one object in which only what kernels call has a name to the outside.
set(simt_core_object ${CMAKE_BINARY_DIR}/sepia_simt_core.o)
add_custom_command(OUTPUT ${simt_core_object}
  COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o ${simt_core_object}.linked $<TARGET_OBJECTS:sepia_simt_core>
  COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=__tsan_* --keep-global-symbol=simt_* --keep-global-symbol=_ZN4simt*
          --keep-global-symbol=_Z[0-9]*cuda* ${simt_core_object}.linked ${simt_core_object}
  DEPENDS sepia_simt_core $<TARGET_OBJECTS:sepia_simt_core>
  COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(sepia_simt_core_object DEPENDS ${simt_core_object})

function(sepia_simt_options name)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  set_source_files_properties(${simt_core_object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  add_dependencies(${name} sepia_simt_core_object)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(${name} BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/tests/simt/include)
  target_compile_definitions(${name} PRIVATE SEPIA_SIMT)
  target_compile_options(${name} PRIVATE -O1 -g1 -fno-tree-sra -fsanitize=thread -fvisibility=hidden -Wno-unknown-pragmas
    -Wno-class-memaccess -Wno-missing-field-initializers
    "SHELL:-include ${PROJECT_SOURCE_DIR}/tests/simt/include/simt/seen_memory.h" "SHELL:-x c++")
  target_link_libraries(${name} PRIVATE sepia_options ${BOOST_CONTEXT_LIBRARY} Threads::Threads)
endfunction()

function(sepia_simt_library name)
  add_library(${name} SHARED ${ARGN} ${simt_core_object})
  sepia_simt_options(${name} ${ARGN})
endfunction()

# The same as a program; one of the files has a main().
function(sepia_simt_program name)
  add_executable(${name} ${ARGN} ${simt_core_object})
  sepia_simt_options(${name} ${ARGN})
endfunction()

# The CUDA backend, emulated: takes the place of libsepia_cuda.so.
file(GLOB simt_kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
sepia_simt_library(sepia_simt ${simt_kernels})
