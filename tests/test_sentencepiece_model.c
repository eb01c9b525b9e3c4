/* test_sentencepiece_model.c - the two tokenizer.model files of the fixtures, and hostile ones.
 */
#include "support.h"

#include "sentencepiece_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_file(const char *path, size_t n) {
  size_t size;
  void *bytes = test_read_file(path, &size);
  gm_sentencepiece_model model;
  gm_error err;
  assert_ok(gm_sentencepiece_parse(&model, bytes, size, &err), &err);
  free(bytes);
  assert_int_equal(model.n, n);
  assert_int_equal(model.kind, GM_SENTENCEPIECE_BPE);
  assert_int_equal(model.unk_id, 0);
  assert_int_equal(model.bos_id, 1);
  assert_int_equal(model.eos_id, 2);
  assert_int_equal(model.pad_id, -1);
  assert_true(model.byte_fallback && model.add_dummy_prefix && model.escape_whitespaces);
  assert_false(model.has_charsmap || model.remove_extra_whitespaces);
  assert_string_equal(model.pieces[0], "<unk>");
  assert_int_equal(model.types[0], GM_TOKEN_UNKNOWN);
  assert_string_equal(model.pieces[2], "</s>");
  assert_int_equal(model.types[2], GM_TOKEN_CONTROL);
  assert_string_equal(model.pieces[258], "<0xFF>");
  assert_int_equal(model.types[258], GM_TOKEN_BYTE);
  assert_int_equal(model.types[n - 1], GM_TOKEN_NORMAL);
  gm_sentencepiece_free(&model);
}

/* Values read from the two files with protobuf's text format. */
static void fixtures_are_read(void **state) {
  (void)state;
  check_file(GM_TEST_DATA "/models/groma-mini/tokenizer.model", 768);
  check_file(test_data("models/groma-tiny/tokenizer.model"), 32000);
}

/* Exactly sized copies, so that the sanitizers see a byte read past the end. */
static gm_status parse(const void *bytes, size_t size, gm_error *err) {
  void *copy = malloc(size ? size : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, size);
  gm_sentencepiece_model model;
  gm_status status = gm_sentencepiece_parse(&model, copy, size, err);
  free(copy);
  if (status == GM_OK) {
    for (size_t i = 0; i < model.n; i++) assert_true(strlen(model.pieces[i]) > 0);
    gm_sentencepiece_free(&model);
  } else {
    assert_int_equal(status, GM_ERR_MODEL);
    assert_int_equal(model.n, 0);
  }
  return status;
}

static void hostile_files_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *what;
    const char *bytes;
    size_t size;
  } cases[] = {
      {"empty", "", 0},
      {"no pieces", "\x12\x02\x18\x02", 4},
      {"varint without end", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12},
      {"varint of 65 bits", "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11},
      {"length past the end", "\x0A\x05\x0A\x01x", 5},
      {"length of 2^64 - 1", "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01x", 12},
      {"field number 0", "\x02\x00", 2},
      {"a group", "\x0B\x0C", 2},
      {"empty piece", "\x0A\x02\x0A\x00", 4},
      {"piece missing", "\x0A\x00", 2},
      {"piece with NUL", "\x0A\x04\x0A\x02x\0", 6},
      {"score is NaN", "\x0A\x08\x0A\x01x\x15\x00\x00\xC0\x7F", 10},
      {"score cut", "\x0A\x06\x0A\x01x\x15\x00\x00", 8},
      {"type 7", "\x0A\x05\x0A\x01x\x18\x07", 7},
      {"type 0", "\x0A\x05\x0A\x01x\x18\x00", 7},
      {"bos id past the end", "\x0A\x03\x0A\x01x", 5},
      {"model type 9", "\x12\x02\x18\x09", 4},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gm_error err;
    if (parse(cases[i].bytes, cases[i].size, &err) == GM_OK)
      fail_msg("%s was accepted", cases[i].what);
  }
}

/* One piece "x", ids of bos and eos set to -1 as a sign-extended varint. */
static void smallest_file_is_accepted(void **state) {
  (void)state;
  const char bytes[] = "\x0A\x03\x0A\x01x"
                       "\x12\x1A"
                       "\xC8\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
                       "\xD0\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
                       "\x18\x02";
  gm_error err;
  assert_ok(parse(bytes, sizeof bytes - 1, &err), &err);
}

/* Cut at every byte, and with every byte changed: an error or a valid vocabulary. */
static void damage_is_survived(void **state) {
  (void)state;
  size_t size;
  unsigned char *bytes =
      test_read_file(GM_TEST_DATA "/models/groma-mini/tokenizer.model", &size);
  gm_error err;
  for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : 31) parse(bytes, cut, &err);
  for (size_t i = 0; i < size; i += 7) {
    unsigned char kept = bytes[i];
    bytes[i] ^= (unsigned char)(1 + i % 255);
    parse(bytes, size, &err);
    bytes[i] = kept;
  }
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fixtures_are_read),
      cmocka_unit_test(hostile_files_are_refused),
      cmocka_unit_test(smallest_file_is_accepted),
      cmocka_unit_test(damage_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
