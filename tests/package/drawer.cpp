// drawer.cpp - the smallest use of both libraries from C++: a box drawn on a picture, and a wrong call.
#include <cstdio>
#include <cstring>
#include <gromatic_tools.h>

int main(int argc, char **argv) {
  gm_error err = {};
  gm_image *image = nullptr;
  if (argc != 2 || gm_image_open(&image, argv[1], nullptr, &err) != GM_OK) {
    std::fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  gm_mark mark = {};
  mark.struct_size = sizeof mark;
  mark.box = {10, 10, 60, 60};
  mark.label = "a box";
  gm_draw_params params = gm_draw_params_default();
  params.marks = &mark;
  params.n_marks = 1;
  void *bytes = nullptr;
  size_t size = 0;
  gm_status status = gm_draw_to_memory(image, &params, GM_FORMAT_PNG, &bytes, &size, &err);
  bool drawn = status == GM_OK && size > 8 && std::memcmp(bytes, "\x89PNG", 4) == 0;
  gm_bytes_free(bytes);
  mark.struct_size = 0;
  bool refused =
      gm_draw_to_memory(image, &params, GM_FORMAT_PNG, &bytes, &size, &err) == GM_ERR_ARGUMENT;
  gm_image_free(image);
  std::printf("%s %s\n", gm_version(), drawn && refused ? "drawn" : err.message);
  return drawn && refused ? 0 : 1;
}
