/* struct_size.c - see struct_size.h. */
#include "struct_size.h"

#include <string.h>

/* A larger struct_size is taken for uninitialised memory, and nothing is read. */
enum { LARGEST = 1 << 16 };

static gm_status check_size(size_t size, const char *type, gm_error *err) {
  if (size >= sizeof size && size <= LARGEST) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "found a %s with struct_size %zu, wanted sizeof(%s): set it before the call",
                 type, size, type);
}

static bool is_zero(const unsigned char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (bytes[i]) return false;
  return true;
}

/* given has size bytes; struct_size is the first member. */
static gm_status read_one(void *own, size_t own_size, const void *given, size_t size,
                          const char *type, gm_error *err) {
  size_t known = size < own_size ? size : own_size;
  if (!is_zero((const unsigned char *)given + known, size - known))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found a %s of %zu bytes with members that this library (%s) does not know, "
                   "wanted at most %zu bytes, or zero after them: use a newer library or leave "
                   "those members zero",
                   type, size, gm_version(), own_size);
  memset(own, 0, own_size);
  memcpy(own, given, known);
  memcpy(own, &own_size, sizeof own_size);
  return GM_OK;
}

gm_status gm_structs_read(void *own, size_t own_size, const void *given, size_t n,
                          const char *type, gm_error *err) {
  size_t size;
  const void *defaults = &own_size;
  if (!given) {
    for (size_t i = 0; i < n; i++)
      GM_TRY(
          read_one((char *)own + i * own_size, own_size, defaults, sizeof own_size, type, err));
    return GM_OK;
  }
  if (n == 0) return GM_OK;
  memcpy(&size, given, sizeof size);
  GM_TRY(check_size(size, type, err));
  for (size_t i = 0; i < n; i++)
    GM_TRY(read_one((char *)own + i * own_size, own_size, (const char *)given + i * size, size,
                    type, err));
  return GM_OK;
}

gm_status gm_struct_read(void *own, size_t own_size, const void *given, const char *type,
                         gm_error *err) {
  return gm_structs_read(own, own_size, given, 1, type, err);
}

gm_status gm_struct_write(void *out, const void *own, size_t own_size, const char *type,
                          gm_error *err) {
  size_t size, head = sizeof size;
  if (!out) return gm_fail(err, GM_ERR_ARGUMENT, "found no %s to fill, wanted one", type);
  memcpy(&size, out, head);
  GM_TRY(check_size(size, type, err));
  size_t known = size < own_size ? size : own_size;
  memcpy((char *)out + head, (const char *)own + head, known - head);
  memset((char *)out + known, 0, size - known);
  return GM_OK;
}
