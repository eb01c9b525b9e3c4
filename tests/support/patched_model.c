/* patched_model.c - see patched_model.h. */
#include "patched_model.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void patched_model_open(patched_model *m) {
  gm_error err = {0};
  *m = (patched_model){.fd = memfd_create("model", MFD_CLOEXEC)};
  assert_true(m->fd >= 0 && gm_embedded_find("groma-mini", &m->original));
  size_t size = m->original.size;
  assert_int_equal(ftruncate(m->fd, (off_t)size), 0);
  m->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
  assert_true(m->bytes != MAP_FAILED);
  snprintf(m->path, sizeof m->path, "/proc/self/fd/%d", m->fd);
  assert_ok(gm_model_file_from_memory(&m->file, m->original.bytes, size, "groma-mini", &err),
            &err);
  patched_model_reset(m);
}

void patched_model_close(patched_model *m) {
  gm_model_file_close(m->file);
  munmap(m->bytes, m->original.size);
  close(m->fd);
}

void patched_model_reset(patched_model *m) {
  memcpy(m->bytes, m->original.bytes, m->original.size);
}

unsigned char *patched_model_tensor(patched_model *m, const gm_tensor *original) {
  return m->bytes +
         ((const unsigned char *)original->data - (const unsigned char *)m->original.bytes);
}

unsigned char *patched_model_key(patched_model *m, const char *key) {
  size_t n = strlen(key);
  unsigned char *at = memmem(m->bytes, m->original.size, key, n);
  assert_non_null(at);
  uint32_t type;
  memcpy(&type, at + n, sizeof type);
  assert_true(type == 4 || type == 6); /* u32, f32 */
  return at + n + sizeof type;
}
