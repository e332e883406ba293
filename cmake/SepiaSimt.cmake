# CUDA without a GPU: .cu files compiled as plain C++ against the emulator in tests/simt (docs/simt.md).
#
# sepia_simt_library(NAME source.cu...): the shared library NAME made of these files and the emulator. They are compiled with the
# hooks of -fsanitize=thread, which the emulator provides itself: the sanitizer's own library is not linked. -O1 and
# -fno-tree-sra keep a float4 access one access of 16 bytes.
file(GLOB simt_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/simt/core/*.cpp)
add_library(sepia_simt_core OBJECT ${simt_sources})
target_link_libraries(sepia_simt_core PRIVATE sepia_options)
target_include_directories(sepia_simt_core PRIVATE ${PROJECT_SOURCE_DIR}/tests/simt/include)
target_compile_options(sepia_simt_core PRIVATE -O2 -fvisibility=hidden)

function(sepia_simt_library name)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  add_library(${name} SHARED ${ARGN} $<TARGET_OBJECTS:sepia_simt_core>)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(${name} BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/tests/simt/include)
  target_compile_definitions(${name} PRIVATE SEPIA_SIMT)
  target_compile_options(${name} PRIVATE -O1 -g1 -fno-tree-sra -fsanitize=thread -fvisibility=hidden -Wno-unknown-pragmas -Wno-class-memaccess -Wno-missing-field-initializers
    "SHELL:-include ${PROJECT_SOURCE_DIR}/tests/simt/include/simt/seen_memory.h" "SHELL:-x c++")
  target_link_libraries(${name} PRIVATE sepia_options ${BOOST_CONTEXT_LIBRARY} Threads::Threads)
endfunction()

# The CUDA backend, emulated: takes the place of libsepia_cuda.so.
file(GLOB simt_kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
sepia_simt_library(sepia_simt ${simt_kernels})
