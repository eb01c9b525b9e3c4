/* test_gguf_hostile.c - hostile GGUF files: each cause of a published vulnerability of such
 * parsers is a case; then a small header is cut at every byte, and every byte of it is changed.
 * Refused means GM_ERR_MODEL with a message that names the cause. Nothing is read outside the
 * bytes, which end at a page's end, so that AddressSanitizer or the MMU would notice. */
#include "gguf.h"
#include "model_file.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- bytes */

typedef struct bytes {
  unsigned char data[4096];
  size_t n;
} bytes;

static void put(bytes *b, const void *from, size_t n) {
  assert_true(b->n + n <= sizeof b->data);
  memcpy(b->data + b->n, from, n);
  b->n += n;
}

static void put_u32(bytes *b, uint32_t v) {
  put(b, &v, 4);
}

static void put_u64(bytes *b, uint64_t v) {
  put(b, &v, 8);
}

static void put_text(bytes *b, const char *s) {
  put_u64(b, strlen(s));
  put(b, s, strlen(s));
}

static bytes begin(uint64_t n_tensors, uint64_t n_keys) {
  bytes b = {.n = 0};
  put(&b, "GGUF", 4);
  put_u32(&b, 3);
  put_u64(&b, n_tensors);
  put_u64(&b, n_keys);
  return b;
}

static void put_tensor(bytes *b, const char *name, uint32_t n_dims, const uint64_t *dims,
                       uint32_t type, uint64_t offset) {
  put_text(b, name);
  put_u32(b, n_dims);
  for (uint32_t i = 0; i < n_dims && i < 4; i++) put_u64(b, dims[i]);
  put_u32(b, type);
  put_u64(b, offset);
}

static void put_data(bytes *b, size_t n) {
  static const unsigned char zeros[512];
  put(b, zeros, (32 - b->n % 32) % 32);
  put(b, zeros, n);
}

/* The bytes at the very end of a readable page, 32-byte aligned if possible. */
static gm_status open_guarded(const bytes *b, size_t n, gm_error *err) {
  enum { PAGE = 4096 };
  unsigned char *pages =
      mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(pages != MAP_FAILED);
  assert_int_equal(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE), 0);
  unsigned char *at = pages + 2 * PAGE - n;
  memcpy(at, b->data, n);
  gm_model_file *file = NULL;
  gm_status status = gm_model_file_from_memory(&file, at, n, "hostile", err);
  if (status == GM_OK) { /* an accepted file must be readable throughout */
    for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
      const gm_tensor *t = gm_model_file_tensor_at(file, i, NULL);
      const unsigned char *data = t->data;
      size_t size = gm_tensor_rows(t) * t->row_bytes, sum = 0;
      for (size_t k = 0; k < size; k++) sum += data[k];
      assert_true(sum <= size * 255);
    }
    gm_model_file_close(file);
  } else {
    assert_null(file);
    assert_int_equal(status, GM_ERR_MODEL);
    assert_true(err->message[0] != 0);
  }
  munmap(pages, 3 * PAGE);
  return status;
}

static void refused(const bytes *b, const char *words) {
  gm_error err = {GM_OK, ""};
  assert_int_equal(open_guarded(b, b->n, &err), GM_ERR_MODEL);
  if (!strstr(err.message, words)) fail_msg("wanted \"%s\" in: %s", words, err.message);
}

/* ---- the causes of CVEs */

static void test_counts(void **state) {
  (void)state;
  /* CVE-2024-23605, -23496: counts that wrap when multiplied by a size */
  bytes b = begin(0, UINT64_MAX);
  refused(&b, "keys");
  b = begin(UINT64_MAX / 2, 0);
  refused(&b, "tensors");
  b = begin(0, 1ull << 60);
  refused(&b, "keys");
  b = begin(0, GM_GGUF_MAX_KEYS + 1);
  refused(&b, "keys");
  b = begin(GM_GGUF_MAX_TENSORS + 1, 0);
  refused(&b, "tensors");
  b = begin(3, 0); /* fewer than promised */
  refused(&b, "ends");
}

static void test_strings(void **state) {
  (void)state;
  /* CVE-2024-21825, -23496: a length of 2^64 - 1, to which 1 is added for the NUL */
  static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 1, 1ull << 63, (1 << 20) + 1};
  for (size_t i = 0; i < 4; i++) {
    bytes b = begin(0, 1);
    put_u64(&b, lengths[i]);
    put(&b, "abc", 3);
    refused(&b, "at most");
  }
  bytes b = begin(0, 1); /* below the cap, past the end */
  put_u64(&b, 1000);
  put(&b, "abc", 3);
  refused(&b, "past the end");
  b = begin(0, 1); /* an embedded NUL: printing and comparing would see different names */
  put_u64(&b, 3);
  put(&b, "a\0b", 3);
  refused(&b, "NUL");
  b = begin(0, 1);
  put_text(&b, "");
  refused(&b, "printable");
  b = begin(0, 1); /* names go to terminals and into JSON */
  put_text(&b, "a\x1b[31m");
  refused(&b, "a?[31m");
  b = begin(0, 1);
  put_text(&b, "a\xff");
  refused(&b, "printable");
}

static void test_arrays(void **state) {
  (void)state;
  /* CVE-2024-21802, -21836: n * size of the element wraps */
  static const uint64_t counts[] = {UINT64_MAX, 1ull << 62, (1ull << 61) + 1, (1 << 20) + 1};
  for (uint32_t type = 0; type < 13; type++)
    for (size_t i = 0; i < 4; i++) {
      bytes b = begin(0, 1);
      put_text(&b, "a");
      put_u32(&b, GM_GGUF_ARRAY);
      put_u32(&b, type);
      put_u64(&b, counts[i]);
      put_u64(&b, 0);
      refused(&b, "array of");
    }
  bytes b = begin(0, 1); /* below the cap, past the end */
  put_text(&b, "a");
  put_u32(&b, GM_GGUF_ARRAY);
  put_u32(&b, GM_GGUF_F32);
  put_u64(&b, 1000);
  put_u32(&b, 0);
  refused(&b, "past the end");
  b = begin(0, 1); /* strings: few bytes, many promised */
  put_text(&b, "a");
  put_u32(&b, GM_GGUF_ARRAY);
  put_u32(&b, GM_GGUF_STRING);
  put_u64(&b, 1 << 20);
  put_text(&b, "x");
  refused(&b, "ends");
  b = begin(0, 1); /* arrays of arrays: unbounded recursion elsewhere */
  put_text(&b, "a");
  for (int i = 0; i < 100; i++) {
    put_u32(&b, GM_GGUF_ARRAY);
    if (i) put_u64(&b, 1);
  }
  refused(&b, "not read here");
}

static void test_values(void **state) {
  (void)state;
  static const uint32_t types[] = {13, 14, 255, 0x80000000u, UINT32_MAX};
  for (size_t i = 0; i < 5; i++) { /* CVE-2024-41130: a type is an index into a table */
    bytes b = begin(0, 1);
    put_text(&b, "a");
    put_u32(&b, types[i]);
    put_u64(&b, 0);
    refused(&b, "value type");
  }
  bytes b = begin(0, 1);
  put_text(&b, "a");
  put_u32(&b, GM_GGUF_BOOL);
  put(&b, "\2", 1);
  refused(&b, "bool");
  b = begin(0, 2); /* the same key twice */
  for (int i = 0; i < 2; i++) {
    put_text(&b, "a");
    put_u32(&b, GM_GGUF_U32);
    put_u32(&b, (uint32_t)i);
  }
  refused(&b, "twice");
}

static void test_alignment(void **state) {
  (void)state;
  /* CVE-2026-33298 and others: division by, or rounding up to, a value of the file */
  static const uint32_t values[] = {0, 1, 4, 7, 33, 48, 65537, 131072, 0x80000000u, UINT32_MAX};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    bytes b = begin(0, 1);
    put_text(&b, "general.alignment");
    put_u32(&b, GM_GGUF_U32);
    put_u32(&b, values[i]);
    refused(&b, "alignment");
  }
  bytes b = begin(0, 1);
  put_text(&b, "general.alignment");
  put_u32(&b, GM_GGUF_U64);
  put_u64(&b, 32);
  refused(&b, "alignment");
  b = begin(0, 1);
  put_text(&b, "general.alignment");
  put_u32(&b, GM_GGUF_ARRAY);
  put_u32(&b, GM_GGUF_U32);
  put_u64(&b, 0);
  refused(&b, "alignment");
}

static void refused_tensor(uint32_t n_dims, const uint64_t *dims, uint32_t type,
                           uint64_t offset, const char *words) {
  bytes b = begin(1, 0);
  put_tensor(&b, "t", n_dims, dims, type, offset);
  put_data(&b, 256);
  refused(&b, words);
}

static void test_tensor_shapes(void **state) {
  (void)state;
  /* CVE-2024-32878, CVE-2025-53630: dimensions out of range, products that wrap */
  const uint64_t one[4] = {1, 1, 1, 1};
  refused_tensor(0, one, GM_TYPE_F32, 0, "dimensions");
  refused_tensor(5, one, GM_TYPE_F32, 0, "dimensions");
  refused_tensor(UINT32_MAX, one, GM_TYPE_F32, 0, "dimensions");
  refused_tensor(2, (uint64_t[]){4, 0}, GM_TYPE_F32, 0, "dimension of 0");
  refused_tensor(2, (uint64_t[]){1ull << 32, 1ull << 32}, GM_TYPE_F32, 0, "64 bits");
  refused_tensor(4, (uint64_t[]){1 << 16, 1 << 16, 1 << 16, 1 << 16}, GM_TYPE_F32, 0,
                 "64 bits");
  refused_tensor(1, (uint64_t[]){UINT64_MAX}, GM_TYPE_F32, 0, "64 bits");
  refused_tensor(1, (uint64_t[]){1ull << 62}, GM_TYPE_F32, 0, "64 bits");
  refused_tensor(2, (uint64_t[]){1ull << 61, 4}, GM_TYPE_F16, 0, "64 bits");
  refused_tensor(1, (uint64_t[]){UINT64_MAX - 31}, GM_TYPE_Q8_0, 0, "64 bits");
  refused_tensor(1, (uint64_t[]){33}, GM_TYPE_Q8_0, 0, "multiple");
  refused_tensor(1, (uint64_t[]){128}, GM_TYPE_Q4_K, 0, "multiple");
}

static void test_tensor_types(void **state) {
  (void)state;
  /* types without a size: division by a block of 0 */
  static const uint32_t types[] = {3, 4, 5, 6, 7, 10, 13, 24, 31, 32, 255, UINT32_MAX};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    refused_tensor(1, (uint64_t[]){256}, types[i], 0, "type number");
}

static void test_tensor_extents(void **state) {
  (void)state;
  /* CVE-2025-49847, CVE-2026-27940, -7482: offset + size past the end, or wrapping */
  refused_tensor(1, (uint64_t[]){65}, GM_TYPE_F32, 0, "past the end");
  refused_tensor(1, (uint64_t[]){64}, GM_TYPE_F32, 32, "past the end");
  refused_tensor(1, (uint64_t[]){8}, GM_TYPE_F32, UINT64_MAX - 31, "past the end");
  refused_tensor(1, (uint64_t[]){8}, GM_TYPE_F32, 1ull << 63, "past the end");
  refused_tensor(1, (uint64_t[]){8}, GM_TYPE_F32, 16, "aligned");
  refused_tensor(1, (uint64_t[]){8}, GM_TYPE_F32, UINT64_MAX, "aligned");
  bytes b = begin(2, 0); /* one tensor's bytes are another's too */
  put_tensor(&b, "a", 1, (uint64_t[]){16}, GM_TYPE_F32, 0);
  put_tensor(&b, "b", 1, (uint64_t[]){16}, GM_TYPE_F32, 32);
  put_data(&b, 256);
  refused(&b, "overlap");
  b = begin(2, 0);
  put_tensor(&b, "a", 1, (uint64_t[]){16}, GM_TYPE_F32, 64);
  put_tensor(&b, "b", 1, (uint64_t[]){16}, GM_TYPE_F32, 64);
  put_data(&b, 256);
  refused(&b, "overlap");
  b = begin(2, 0);
  put_tensor(&b, "a", 1, (uint64_t[]){16}, GM_TYPE_F32, 0);
  put_tensor(&b, "a", 1, (uint64_t[]){16}, GM_TYPE_F32, 64);
  put_data(&b, 256);
  refused(&b, "twice");
  b = begin(1, 0); /* no data section at all */
  put_tensor(&b, "a", 1, (uint64_t[]){1}, GM_TYPE_F32, 0);
  refused(&b, "end");
}

static void test_magic(void **state) {
  (void)state;
  bytes b = begin(0, 0);
  b.data[3] = 'f';
  refused(&b, "no GGUF");
  b = begin(0, 0);
  b.data[4] = 2;
  refused(&b, "version 2");
  b = begin(0, 0);
  memcpy(b.data + 4, "\0\0\0\3", 4); /* big endian */
  refused(&b, "version");
  b.n = 0;
  refused(&b, "ends");
}

/* ---- a small file with something of everything */

static bytes small_file(void) {
  bytes b = begin(2, 5);
  put_text(&b, "general.architecture");
  put_u32(&b, GM_GGUF_STRING);
  put_text(&b, "groma");
  put_text(&b, "general.alignment");
  put_u32(&b, GM_GGUF_U32);
  put_u32(&b, 32);
  put_text(&b, "tokens");
  put_u32(&b, GM_GGUF_ARRAY);
  put_u32(&b, GM_GGUF_STRING);
  put_u64(&b, 3);
  put_text(&b, "a");
  put_text(&b, "");
  put_text(&b, "\xff\x01z");
  put_text(&b, "f");
  put_u32(&b, GM_GGUF_ARRAY);
  put_u32(&b, GM_GGUF_F32);
  put_u64(&b, 2);
  put_u64(&b, 0);
  put_text(&b, "yes");
  put_u32(&b, GM_GGUF_BOOL);
  put(&b, "\1", 1);
  put_tensor(&b, "one", 2, (uint64_t[]){8, 2}, GM_TYPE_F32, 0);
  put_tensor(&b, "two", 1, (uint64_t[]){32}, GM_TYPE_Q8_0, 64);
  put_data(&b, 64 + 34);
  return b;
}

static void test_truncated(void **state) {
  (void)state;
  bytes b = small_file();
  gm_error err;
  assert_int_equal(open_guarded(&b, b.n, &err), GM_OK);
  for (size_t n = 0; n < b.n; n++) assert_int_equal(open_guarded(&b, n, &err), GM_ERR_MODEL);
}

static void test_every_byte(void **state) {
  (void)state;
  bytes b = small_file();
  size_t refusals = 0, header = b.n - 98;
  for (size_t i = 0; i < header; i++) {
    unsigned char was = b.data[i];
    for (unsigned bit = 0; bit < 12; bit++) {
      static const unsigned char special[4] = {0x00, 0xFF, 0x7F, 0x80};
      b.data[i] = (unsigned char)(bit < 8 ? was ^ 1u << bit : special[bit - 8]);
      gm_error err;
      refusals += open_guarded(&b, b.n, &err) != GM_OK;
    }
    b.data[i] = was;
  }
  /* Letters of names may change, most other bytes may not. */
  assert_true(refusals > header * 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_magic),          cmocka_unit_test(test_counts),
      cmocka_unit_test(test_strings),        cmocka_unit_test(test_arrays),
      cmocka_unit_test(test_values),         cmocka_unit_test(test_alignment),
      cmocka_unit_test(test_tensor_shapes),  cmocka_unit_test(test_tensor_types),
      cmocka_unit_test(test_tensor_extents), cmocka_unit_test(test_truncated),
      cmocka_unit_test(test_every_byte),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
