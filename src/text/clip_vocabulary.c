/* clip_vocabulary.c - see clip_vocabulary.h: the map of bytes, lines of merges, then the two
 * layouts. */
#include "clip_vocabulary.h"

#include "json_file.h"
#include "text_input.h"

#include "text_buffer.h"
#include "utf8.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define START_TOKEN "<|startoftext|>"
#define END_TOKEN "<|endoftext|>"
/* Lines 2 to 48895 of OpenAI's file: 49152 - 256 - 2 merges. */
enum { OPENAI_MERGES = 48894 };

/* ---- bytes as characters */

/* Bytes that are printable in Latin-1 stand for themselves; the others, in order, for U+0100
 * and up. */
static bool is_printable(unsigned char byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

void gm_clip_byte_symbol(char out[GM_CLIP_SYMBOL_BYTES], unsigned char byte) {
  uint32_t code = byte;
  if (!is_printable(byte)) {
    code = 0x100;
    for (unsigned b = 0; b < byte; b++) code += !is_printable((unsigned char)b);
  }
  out[gm_utf8_write(out, code)] = 0;
}

/* ---- merges */

/* An array of strings that grows. */
typedef struct strings {
  const char **items;
  size_t n, capacity;
} strings;

static gm_status add_string(strings *s, const char *string, gm_error *err) {
  if (s->n == s->capacity) {
    size_t capacity = s->capacity ? 2 * s->capacity : 1024;
    const char **grown = realloc(s->items, capacity * sizeof *grown);
    if (!grown) return gm_fail_memory(err, "a vocabulary", capacity * sizeof *grown);
    s->items = grown;
    s->capacity = capacity;
  }
  s->items[s->n++] = string;
  return GM_OK;
}

/* Splits text (NUL-terminated; modified) into lines and adds those after the first, at most
 * `limit`. The last lines may be empty. */
static gm_status split_merges(strings *merges, char *text, size_t limit, gm_error *err) {
  char *line = strchr(text, '\n');
  while (line && merges->n < limit) {
    line++;
    size_t length = strcspn(line, "\n");
    char *next = line[length] ? line + length : NULL;
    if (length == 0 && strspn(line, "\n") == strlen(line)) break;
    line[length] = 0;
    const char *space = strchr(line, ' ');
    if (!space || space == line || space[1] == 0 || strchr(space + 1, ' '))
      return gm_fail(err, GM_ERR_MODEL, "merges: line %zu is \"%.40s\"; want two symbols",
                     merges->n + 2, line);
    GM_TRY(add_string(merges, line, err));
    line = next;
  }
  return GM_OK;
}

/* ---- OpenAI's layout */

/* Unpacks into a NUL-terminated block of at most GM_CLIP_MAX_FILE bytes. */
static gm_status unpack(gm_text *out, const void *bytes, size_t size, gm_error *err) {
  z_stream z = {.next_in = (z_const Bytef *)bytes, .avail_in = (uInt)size};
  if (size > GM_CLIP_MAX_FILE || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
    return gm_fail(err, GM_ERR_MODEL, "merges: %zu packed bytes; want at most %d", size,
                   GM_CLIP_MAX_FILE);
  unsigned char block[1 << 14];
  int result = Z_OK;
  gm_status status = GM_OK;
  while (status == GM_OK && result == Z_OK && out->length <= GM_CLIP_MAX_FILE) {
    z.next_out = block;
    z.avail_out = sizeof block;
    result = inflate(&z, Z_NO_FLUSH);
    status = gm_text_append(out, block, sizeof block - z.avail_out, err);
  }
  inflateEnd(&z);
  if (status == GM_OK && (result != Z_STREAM_END || out->length > GM_CLIP_MAX_FILE))
    return gm_fail(err, GM_ERR_MODEL,
                   "merges: not a whole gzip file of at most %d bytes; fetch "
                   "bpe_simple_vocab_16e6.txt.gz again",
                   GM_CLIP_MAX_FILE);
  return status;
}

/* Appends first and second as one string, its NUL included. */
static gm_status add_token(gm_text *text, const char *first, size_t length, const char *second,
                           gm_error *err) {
  GM_TRY(gm_text_append(text, first, length, err));
  return gm_text_append(text, second, strlen(second) + 1, err);
}

/* Derives the tokens from the merges, each with its NUL. */
static gm_status derive_tokens(gm_text *text, const strings *merges, gm_error *err) {
  for (int end = 0; end < 2; end++) {
    for (int printable = 1; printable >= 0; printable--) {
      for (unsigned b = 0; b < 256; b++) {
        if (is_printable((unsigned char)b) != printable) continue;
        char symbol[GM_CLIP_SYMBOL_BYTES];
        gm_clip_byte_symbol(symbol, (unsigned char)b);
        GM_TRY(add_token(text, symbol, strlen(symbol), end ? "</w>" : "", err));
      }
    }
  }
  for (size_t m = 0; m < merges->n; m++) {
    const char *merge = merges->items[m], *space = strchr(merge, ' ');
    GM_TRY(add_token(text, merge, (size_t)(space - merge), space + 1, err));
  }
  GM_TRY(add_token(text, START_TOKEN, strlen(START_TOKEN), "", err));
  return add_token(text, END_TOKEN, strlen(END_TOKEN), "", err);
}

/* ---- Hugging Face's layout */

/* The names of a JSON object {"token": id, ...} in the order of their ids, each with its NUL.
 */
static gm_status order_tokens(gm_text *text, const json_t *json, const char **names,
                              gm_error *err) {
  size_t n = json_object_size(json);
  const char *name;
  json_t *id;
  json_object_foreach((json_t *)json, name, id) {
    json_int_t at = json_integer_value(id);
    if (!json_is_integer(id) || at < 0 || (size_t)at >= n || names[at])
      return gm_fail(err, GM_ERR_MODEL,
                     "vocab.json: \"%.40s\" has no id of its own from 0 to %zu", name, n - 1);
    names[at] = name;
  }
  for (size_t i = 0; i < n; i++) GM_TRY(add_token(text, names[i], strlen(names[i]), "", err));
  return GM_OK;
}

static gm_status read_vocab(gm_text *text, size_t *n, const char *bytes, size_t size,
                            gm_error *err) {
  json_t *json;
  GM_TRY(gm_json_parse(&json, bytes, size, "vocab.json", err));
  *n = json_object_size(json);
  if (*n == 0 || *n > GM_CLIP_MAX_TOKENS) {
    json_decref(json);
    return gm_fail(err, GM_ERR_MODEL, "vocab.json: found %zu tokens, wanted 1 to %d", *n,
                   GM_CLIP_MAX_TOKENS);
  }
  const char **names = calloc(*n, sizeof *names);
  gm_status status = names ? order_tokens(text, json, names, err)
                           : gm_fail_memory(err, "a vocabulary", *n * sizeof *names);
  free(names);
  json_decref(json);
  return status;
}

/* ---- both */

static int32_t find_token(const gm_clip_vocabulary *v, const char *token) {
  for (size_t i = v->n; i-- > 0;)
    if (strcmp(v->tokens[i], token) == 0) return (int32_t)i;
  return -1;
}

/* n strings, each with its NUL in text, as an array. */
static gm_status point_at_tokens(gm_clip_vocabulary *v, size_t n, gm_error *err) {
  const char **tokens = malloc(n * sizeof *tokens);
  if (!tokens) return gm_fail_memory(err, "a vocabulary", n * sizeof *tokens);
  const char *at = v->token_text;
  for (size_t i = 0; i < n; i++, at += strlen(at) + 1) tokens[i] = at;
  v->n = n;
  v->tokens = tokens;
  return GM_OK;
}

/* The special tokens by their names. */
static gm_status find_specials(gm_clip_vocabulary *v, const char *pad_token, gm_error *err) {
  v->start_id = find_token(v, START_TOKEN);
  v->end_id = find_token(v, END_TOKEN);
  v->pad_id = pad_token ? find_token(v, pad_token) : 0;
  if (v->start_id >= 0 && v->end_id >= 0 && v->pad_id >= 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL, "vocab.json: no token %s",
                 v->start_id < 0 ? START_TOKEN
                 : v->end_id < 0 ? END_TOKEN
                                 : pad_token);
}

/* Moves the merges from text to the vocabulary. */
static gm_status take_merges(gm_clip_vocabulary *v, gm_text *text, size_t limit,
                             gm_error *err) {
  strings merges = {0};
  if (text->bytes)
    GM_TRY(gm_text_clean(text->bytes, &text->length, "merges", GM_ERR_MODEL, err));
  v->merge_text = text->bytes;
  *text = (gm_text){0};
  gm_status status = split_merges(&merges, v->merge_text, limit, err);
  v->merges = merges.items;
  v->n_merges = merges.n;
  return status;
}

static gm_status read_openai(gm_clip_vocabulary *v, gm_text *text, const void *bytes,
                             size_t size, gm_error *err) {
  GM_TRY(unpack(text, bytes, size, err));
  GM_TRY(take_merges(v, text, OPENAI_MERGES, err));
  if (v->n_merges != OPENAI_MERGES)
    return gm_fail(err, GM_ERR_MODEL, "merges: %zu lines; want %d as in OpenAI's file",
                   v->n_merges + 1, OPENAI_MERGES + 1);
  const strings merges = {(const char **)v->merges, v->n_merges, 0};
  gm_status status = derive_tokens(text, &merges, err);
  v->token_text = text->bytes;
  *text = (gm_text){0};
  GM_TRY(status);
  GM_TRY(point_at_tokens(v, 512 + OPENAI_MERGES + 2, err));
  return find_specials(v, NULL, err);
}

gm_status gm_clip_vocabulary_from_merges_gz(gm_clip_vocabulary *out, const void *bytes,
                                            size_t size, gm_error *err) {
  *out = (gm_clip_vocabulary){0};
  gm_text text = {0};
  gm_status status = read_openai(out, &text, bytes, size, err);
  gm_text_free(&text);
  if (status != GM_OK) gm_clip_vocabulary_free(out);
  return status;
}

static gm_status read_files(gm_clip_vocabulary *v, gm_text *text, const char *vocab_json,
                            size_t vocab_size, const char *pad_token, gm_error *err) {
  GM_TRY(take_merges(v, text, GM_CLIP_MAX_MERGES, err));
  size_t n;
  gm_status status = read_vocab(text, &n, vocab_json, vocab_size, err);
  v->token_text = text->bytes;
  *text = (gm_text){0};
  GM_TRY(status);
  GM_TRY(point_at_tokens(v, n, err));
  return find_specials(v, pad_token ? pad_token : END_TOKEN, err);
}

gm_status gm_clip_vocabulary_from_files(gm_clip_vocabulary *out, const char *vocab_json,
                                        size_t vocab_size, const char *merges_txt,
                                        size_t merges_size, const char *pad_token,
                                        gm_error *err) {
  *out = (gm_clip_vocabulary){0};
  if (merges_size > GM_CLIP_MAX_FILE)
    return gm_fail(err, GM_ERR_MODEL, "merges.txt: %zu bytes; want text of at most %d bytes",
                   merges_size, GM_CLIP_MAX_FILE);
  gm_text text = {0};
  gm_status status = gm_text_append(&text, merges_txt, merges_size, err);
  if (status == GM_OK) status = read_files(out, &text, vocab_json, vocab_size, pad_token, err);
  gm_text_free(&text);
  if (status != GM_OK) gm_clip_vocabulary_free(out);
  return status;
}

void gm_clip_vocabulary_free(gm_clip_vocabulary *vocabulary) {
  free((void *)vocabulary->tokens);
  free((void *)vocabulary->merges);
  free(vocabulary->token_text);
  free(vocabulary->merge_text);
  *vocabulary = (gm_clip_vocabulary){0};
}
