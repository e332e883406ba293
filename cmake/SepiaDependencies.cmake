# Every third-party library of the build, found once. All are Debian packages (tools/install_packages.sh).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
# Matrix products on the CPU. Not find_package(dnnl): Debian's config file asks for OpenCL headers, which nothing here needs.
find_library(DNNL_LIBRARY dnnl REQUIRED)
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
add_library(sepia_dnnl INTERFACE IMPORTED)
target_link_libraries(sepia_dnnl INTERFACE ${DNNL_LIBRARY})
target_include_directories(sepia_dnnl INTERFACE ${DNNL_INCLUDE_DIR})
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)                 # libjpeg-turbo
find_package(OpenSSL REQUIRED COMPONENTS Crypto)   # SHA-256
find_package(ZLIB REQUIRED)                # checksums of ZIP archives
pkg_check_modules(HDF5 REQUIRED IMPORTED_TARGET hdf5)   # Keras weights, in sepia-read-hdf5 alone
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)       # portable SIMD with run-time dispatch
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(EXIF REQUIRED IMPORTED_TARGET libexif)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo cairo-svg)
find_path(STB_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb REQUIRED)
# Fibers of the CUDA emulator. The library alone: Boost's own package files would do, but not every distribution has them.
find_library(BOOST_CONTEXT_LIBRARY boost_context REQUIRED)
find_path(BOOST_CONTEXT_INCLUDE_DIR boost/context/detail/fcontext.hpp REQUIRED)
if(SEPIA_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SEPIA_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
