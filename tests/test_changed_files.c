/* test_changed_files.c - files that are mapped and overwritten while they are read: the sizes
 * of the first pass must bound the second. The arena's allocations go through the test, which
 * changes the bytes right before one of them, so before and between the passes. */
#include "arena.h"
#include "checkpoint.h"
#include "gguf.h"
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_gm_arena_alloc(gm_arena *arena, size_t bytes);
void *__wrap_gm_arena_alloc(gm_arena *arena, size_t bytes);

static size_t calls, change_at; /* change before that call, counted from 1; 0: never */
static void (*change)(void *arg);
static void *change_arg;

void *__wrap_gm_arena_alloc(gm_arena *arena, size_t bytes) {
  if (++calls == change_at) change(change_arg);
  return __real_gm_arena_alloc(arena, bytes);
}

static void begin(size_t at, void (*fn)(void *), void *arg) {
  calls = 0;
  change_at = at;
  change = fn;
  change_arg = arg;
}

/* ---- GGUF: one key, an array of strings of one byte */

enum { STRINGS = 1000, STRING_BYTES = 9, HEAD = 24 + 8 + 1 + 4 + 4 + 8 };

typedef struct gguf_bytes {
  unsigned char at[HEAD + STRINGS * STRING_BYTES];
  size_t longer; /* index of the string that becomes longer or shorter */
  uint64_t length;
} gguf_bytes;

static void put(unsigned char **at, const void *bytes, size_t n) {
  memcpy(*at, bytes, n);
  *at += n;
}

static void make_gguf(gguf_bytes *b) {
  unsigned char *at = b->at;
  const uint32_t version = 3, array = GM_GGUF_ARRAY, string = GM_GGUF_STRING;
  const uint64_t none = 0, one = 1, n = STRINGS;
  put(&at, "GGUF", 4);
  put(&at, &version, 4);
  put(&at, &none, 8); /* tensors */
  put(&at, &one, 8);  /* keys */
  put(&at, &one, 8);
  put(&at, "k", 1);
  put(&at, &array, 4);
  put(&at, &string, 4);
  put(&at, &n, 8);
  for (size_t i = 0; i < STRINGS; i++) {
    put(&at, &one, 8);
    put(&at, "x", 1);
  }
  assert_ptr_equal(at, b->at + sizeof b->at);
}

static void change_length(void *arg) {
  gguf_bytes *b = arg;
  unsigned char *at = b->at + HEAD + b->longer * STRING_BYTES;
  size_t room = (size_t)(b->at + sizeof b->at - at) - 8;
  memcpy(at, &b->length, 8);
  memset(at + 8, 'x', b->length < room ? (size_t)b->length : room); /* no NUL inside */
}

/* Allocations of a parse: keys, tensors, the key's name, then the strings' list and their
 * block, at each of these, both walks or one of them are still to come. */
static void strings_of_a_gguf_keep_to_the_first_walk(void **state) {
  (void)state;
  gguf_bytes *b = malloc(sizeof *b);
  gm_gguf gguf;
  gm_error err;
  make_gguf(b);
  begin(0, NULL, NULL);
  assert_ok(gm_gguf_parse(&gguf, b->at, sizeof b->at, "a.gguf", &err), &err);
  gm_gguf_free(&gguf);
  size_t all = calls, changed = 0;
  /* one byte more; all that is left of the file; 8 bytes missing, so that the rest is misread
   */
  static const uint64_t lengths[] = {2, 800 * STRING_BYTES, 0};
  static const size_t places[] = {0, 100, STRINGS - 1};
  for (size_t i = 0; i < 9; i++)
    for (size_t at = 1; at <= all; at++) {
      make_gguf(b);
      b->longer = places[i % 3];
      b->length = lengths[i / 3];
      begin(at, change_length, b);
      gm_status status = gm_gguf_parse(&gguf, b->at, sizeof b->at, "a.gguf", &err);
      if (status == GM_OK)
        gm_gguf_free(&gguf);
      else
        assert_int_equal(status, GM_ERR_MODEL);
      changed += status != GM_OK && strstr(err.message, "changed while it was read") != NULL;
    }
  /* Before the last two allocations: the long string at the first two places, which ends inside
   * the file, and the last string where nothing is left of it. Elsewhere the lengths after it
   * are misread, or the file ends, and the message says so. */
  assert_int_equal(changed, 2 * 3);
  free(b);
}

/* ---- a PyTorch archive: the pickle is read until the last tensor is listed */

typedef struct archive {
  char path[64];
  unsigned char *bytes;
  size_t size;
} archive;

/* Replaces texts by others, with control characters and NUL. Other bytes stay, so that only
 * names change. */
static void change_text(void *arg) {
  const archive *a = arg;
  unsigned char *other = malloc(a->size);
  for (size_t i = 0; i < a->size; i++) {
    unsigned char c = a->bytes[i];
    other[i] = c >= 'a' && c <= 'z' ? (unsigned char)(c - 'a') : c;
  }
  int fd = open(a->path, O_WRONLY);
  assert_true(fd >= 0 && pwrite(fd, other, a->size, 0) == (ssize_t)a->size);
  close(fd);
  free(other);
}

static void write_archive(const archive *a) {
  int fd = open(a->path, O_WRONLY);
  assert_true(fd >= 0 && pwrite(fd, a->bytes, a->size, 0) == (ssize_t)a->size);
  close(fd);
}

static void a_pickle_is_read_from_a_copy(void **state) {
  (void)state;
  archive a = {.path = "/tmp/gromatic-changed-XXXXXX"};
  gm_checkpoint *before, *c;
  gm_error err;
  int fd = mkstemp(a.path);
  assert_true(fd >= 0);
  close(fd);
  a.bytes = test_read_file(test_data("models/clip-tiny/openai-torchscript.pt"), &a.size);
  write_archive(&a);
  begin(0, NULL, NULL);
  assert_ok(gm_torch_open(&before, a.path, &err), &err);
  size_t all = calls, step = all / 40 + 1;
  for (size_t at = 2; at <= all; at += step) { /* the first makes room for the copy */
    write_archive(&a);
    begin(at, change_text, &a);
    assert_ok(gm_torch_open(&c, a.path, &err), &err);
    assert_int_equal(c->n_tensors, before->n_tensors);
    for (size_t i = 0; i < c->n_tensors; i++)
      assert_string_equal(c->tensors[i].name, before->tensors[i].name);
    gm_checkpoint_close(c);
  }
  gm_checkpoint_close(before);
  unlink(a.path);
  free(a.bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strings_of_a_gguf_keep_to_the_first_walk),
      cmocka_unit_test(a_pickle_is_read_from_a_copy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
