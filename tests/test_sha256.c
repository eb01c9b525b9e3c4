/* test_sha256.c - SHA-256 against the examples of FIPS 180-4 (csrc.nist.gov, "SHA256.pdf") and
 * its own pieces. */
#include "sha256.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static void check(const char *text, size_t n, const char *wanted) {
  char sum[65];
  gm_sha256(text, n, sum);
  assert_string_equal(sum, wanted);
}

static void test_examples(void **state) {
  (void)state;
  check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  size_t million = 1000000;
  char *a = malloc(million);
  assert_non_null(a);
  memset(a, 'a', million);
  check(a, million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  free(a);
}

/* The bytes are split everywhere around multiples of the block. */
static void test_pieces(void **state) {
  (void)state;
  unsigned char bytes[200];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7);
  for (size_t n = 0; n <= sizeof bytes; n++) {
    char whole[65], parts[65];
    gm_sha256(bytes, n, whole);
    for (size_t cut = 0; cut <= n; cut += 13) {
      gm_sha256_state sha;
      gm_sha256_begin(&sha);
      gm_sha256_add(&sha, bytes, cut);
      gm_sha256_add(&sha, bytes + cut, n - cut);
      gm_sha256_end(&sha, parts);
      assert_string_equal(parts, whole);
    }
  }
}

/* Texts are added with their NUL, numbers as 8 bytes, lowest first. */
static void test_texts_and_numbers(void **state) {
  (void)state;
  char got[65], want[65];
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  gm_sha256_add_text(&sha, "ab");
  gm_sha256_add_number(&sha, 0x0102030405060708);
  gm_sha256_end(&sha, got);
  gm_sha256("ab\0\x08\x07\x06\x05\x04\x03\x02\x01", 11, want);
  assert_string_equal(got, want);
}

static void test_bytes(void **state) {
  (void)state;
  static const char hex[] = "00ff10a5"
                            "00000000000000000000000000000000000000000000000000000009";
  unsigned char out[32];
  assert_true(gm_sha256_bytes(hex, out));
  const unsigned char first[] = {0x00, 0xFF, 0x10, 0xA5};
  assert_memory_equal(out, first, sizeof first);
  assert_int_equal(out[31], 9);
  for (size_t i = 0; i < 64; i++) { /* another digit, or too few */
    char wrong[65];
    memcpy(wrong, hex, sizeof wrong);
    wrong[i] = i % 2 ? 'A' : 'g';
    assert_false(gm_sha256_bytes(wrong, out));
    wrong[i] = 0;
    assert_false(gm_sha256_bytes(wrong, out));
  }
  assert_false(gm_sha256_bytes(
      "00ff10a5000000000000000000000000000000000000000000000000000000099", out));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_examples),
      cmocka_unit_test(test_pieces),
      cmocka_unit_test(test_texts_and_numbers),
      cmocka_unit_test(test_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
