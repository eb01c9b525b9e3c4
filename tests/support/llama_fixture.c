/* llama_fixture.c - see llama_fixture.h. */
#include "llama_fixture.h"

#include <stdio.h>
#include <stdlib.h>

void llama_fixture_open(llama_fixture *f, const char *folder) {
  char path[1024];
  size_t size;
  gm_error err;
  snprintf(path, sizeof path, "%s/tokenizer.model", folder);
  void *bytes = test_read_file(path, &size);
  assert_ok(gm_sentencepiece_parse(&f->model, bytes, size, &err), &err);
  free(bytes);
  snprintf(path, sizeof path, "%s/added_tokens.json", folder);
  f->json = json_load_file(path, 0, NULL);
  assert_non_null(f->json);
  size_t n = json_object_size(f->json);
  f->added = calloc(n, sizeof *f->added);
  assert_non_null(f->added);
  const char *name;
  json_t *id;
  json_object_foreach(f->json, name, id) {
    size_t at = (size_t)json_integer_value(id) - f->model.n;
    assert_true(at < n);
    f->added[at] = name;
  }
  assert_ok(gm_llama_vocabulary_join(&f->vocabulary, &f->model, f->added, n, &err), &err);
  assert_ok(gm_llama_tokenizer_create(&f->tokenizer, &f->vocabulary, &err), &err);
}

void llama_fixture_close(llama_fixture *f) {
  gm_llama_tokenizer_free(f->tokenizer);
  gm_llama_vocabulary_free(&f->vocabulary);
  free(f->added);
  json_decref(f->json);
  gm_sentencepiece_free(&f->model);
}
