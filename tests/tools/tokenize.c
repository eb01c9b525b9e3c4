/* tokenize.c - the tokenizers for tests in other languages.
 *
 *   tokenize llama FOLDER        tokenizer.model, added_tokens.json
 *   tokenize clip FOLDER         vocab.json, merges.txt
 *   tokenize clip-gz FILE        OpenAI's merges
 *
 * Standard input is a row of requests, standard output of answers, little endian: a request is
 * a letter, a u32 n and n bytes (n ids of 4 bytes for 'd'); an answer a u32 n and n ids or
 * bytes. 'p' plain text -> ids   't' text with tokens parsed -> ids   'd' ids -> text (llama)
 *   'c' text -> cleaned text (clip) */
#include "llama_fixture.h"

#include "clip_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static llama_fixture llama;
static gm_clip_tokenizer *clip;

static void answer(uint32_t n, const void *data, size_t width) {
  fwrite(&n, sizeof n, 1, stdout);
  if (n) fwrite(data, width, n, stdout);
  fflush(stdout);
}

static void answer_ids(char letter, const char *text, uint32_t n) {
  gm_ids ids = {0};
  gm_error err;
  gm_clip_parsing parsing = letter == 't' ? GM_CLIP_AS_UPSTREAM : GM_CLIP_PLAIN;
  assert_ok(clip ? gm_clip_encode(clip, text, n, parsing, &ids, &err)
                 : gm_llama_encode(llama.tokenizer, text, n, letter == 't', &ids, &err),
            &err);
  answer((uint32_t)ids.n, ids.ids, sizeof *ids.ids);
  gm_ids_free(&ids);
}

static void answer_text(char letter, const char *bytes, uint32_t n) {
  gm_text text = {0};
  gm_error err;
  assert_ok(letter == 'c'
                ? gm_clip_clean(&text, bytes, n, &err)
                : gm_llama_decode(llama.tokenizer, (const int32_t *)bytes, n, &text, &err),
            &err);
  answer((uint32_t)text.length, text.bytes, 1);
  gm_text_free(&text);
}

static void open_clip(const char *kind, const char *path) {
  gm_clip_vocabulary v;
  gm_error err;
  char file[1024];
  size_t size, merges_size;
  if (strcmp(kind, "clip-gz") == 0) {
    void *gz = test_read_file(path, &size);
    assert_ok(gm_clip_vocabulary_from_merges_gz(&v, gz, size, &err), &err);
    free(gz);
  } else {
    snprintf(file, sizeof file, "%s/vocab.json", path);
    char *vocab = test_read_file(file, &size);
    snprintf(file, sizeof file, "%s/merges.txt", path);
    char *merges = test_read_file(file, &merges_size);
    assert_ok(gm_clip_vocabulary_from_files(&v, vocab, size, merges, merges_size, NULL, &err),
              &err);
    free(vocab);
    free(merges);
  }
  assert_ok(gm_clip_tokenizer_create(&clip, &v, &err), &err);
  gm_clip_vocabulary_free(&v);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  if (strcmp(argv[1], "llama") == 0)
    llama_fixture_open(&llama, argv[2]);
  else
    open_clip(argv[1], argv[2]);
  char letter;
  uint32_t n;
  while (fread(&letter, 1, 1, stdin) == 1 && fread(&n, sizeof n, 1, stdin) == 1) {
    size_t bytes = letter == 'd' ? 4 * (size_t)n : n;
    char *data = malloc(bytes + 1);
    if (!data || fread(data, 1, bytes, stdin) != bytes) return 1;
    if (letter == 'p' || letter == 't')
      answer_ids(letter, data, n);
    else
      answer_text(letter, data, n);
    free(data);
  }
  gm_clip_tokenizer_free(clip);
  if (llama.tokenizer) llama_fixture_close(&llama);
  return 0;
}
