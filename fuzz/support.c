/* support.c - see support.h. */
#include "support.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_fail(const char *condition, const char *file, int line) {
  fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, condition);
  abort();
}

const char *fuzz_file(const uint8_t *bytes, size_t size) {
  static char path[32];
  static int fd = -1;
  if (fd < 0) {
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    fuzz_check(fd >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  }
  fuzz_check(ftruncate(fd, 0) == 0);
  fuzz_check(pwrite(fd, bytes, size, 0) == (ssize_t)size);
  return path;
}

void *fuzz_read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) fprintf(stderr, "cannot open %s\n", path);
  fuzz_check(file && fseek(file, 0, SEEK_END) == 0);
  long length = ftell(file);
  rewind(file);
  void *bytes = malloc((size_t)length + 1);
  fuzz_check(bytes && fread(bytes, 1, (size_t)length, file) == (size_t)length);
  fclose(file);
  *size = (size_t)length;
  return bytes;
}

const gm_llama_tokenizer *fuzz_tokenizer(void) {
  static gm_llama_tokenizer *tokenizer;
  static gm_sentencepiece_model model;
  static gm_llama_vocabulary vocabulary;
  static const char *const added[] = {"<p>",  "</p>", "<roi>", "</roi>", "[grounding]",
                                      "<r0>", "<r1>", "<r2>",  "<r3>",   "<r4>",
                                      "<r5>", "<r6>", "<r7>",  "<r8>",   "<r9>"};
  if (tokenizer) return tokenizer;
  size_t size;
  void *bytes = fuzz_read_file(GM_TEST_DATA "/models/groma-mini/tokenizer.model", &size);
  fuzz_check(gm_sentencepiece_parse(&model, bytes, size, NULL) == GM_OK);
  free(bytes);
  fuzz_check(gm_llama_vocabulary_join(&vocabulary, &model, added, sizeof added / sizeof *added,
                                      NULL) == GM_OK);
  fuzz_check(gm_llama_tokenizer_create(&tokenizer, &vocabulary, NULL) == GM_OK);
  return tokenizer;
}

void fuzz_touch(const void *bytes, size_t n) {
  const volatile unsigned char *b = bytes;
  for (size_t i = 0; i < n; i++) (void)b[i];
}

bool fuzz_is_text(const char *bytes, size_t n) {
  for (size_t at = 0, length; at < n; at += length) {
    uint32_t code;
    length = gm_utf8_read(bytes + at, n - at, &code);
    if (length == 0 || code == 0) return false;
  }
  return true;
}

void fuzz_image(const uint8_t *bytes, size_t size) {
  /* A megapixel is enough to reach all code, and keeps the runs quick. */
  gm_image_params params = {
      .struct_size = sizeof params, .max_pixels = 1 << 20, .max_bytes = 1 << 20};
  gm_image *image = NULL;
  gm_error err = {0};
  gm_status status = gm_image_from_memory(&image, bytes, size, &params, &err);
  fuzz_check((status == GM_OK) == (image != NULL));
  fuzz_check(status == GM_OK || err.message[0]);
  if (!image) return;
  size_t n = (size_t)gm_image_width(image) * gm_image_height(image) * 3;
  fuzz_check(n > 0 && n <= (size_t)params.max_pixels * 3);
  fuzz_touch(gm_image_rgb(image), n);
  gm_image_free(image);
}
