# Stops an installation before its first file if not everything that it installs is built, as
# after `make demo`. built: the files; build: the build directory.
foreach(file IN LISTS built)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "${file} is not built yet, and nothing was installed; first run\n"
      "  cmake --build ${build}")
  endif()
endforeach()
