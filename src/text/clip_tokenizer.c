/* clip_tokenizer.c - see clip_tokenizer.h: the index of a vocabulary, words, merging. */
#include "clip_tokenizer.h"

#include "bpe.h"
#include "piece_table.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* A pair of tokens that may be merged; ranks are below 2^24, exact in float. */
typedef struct merge {
  int32_t left, right;
  int32_t rank, result;
} merge;

struct gm_clip_tokenizer {
  int32_t byte_ids[2][256]; /* [1]: with </w> */
  merge *merges;            /* in the order of (left, right) */
  size_t n_merges;
  int32_t start_id, end_id, pad_id;
};

/* ---- index */

static int compare_pairs(const merge *a, const merge *b) {
  if (a->left != b->left) return a->left < b->left ? -1 : 1;
  return a->right == b->right ? 0 : a->right < b->right ? -1 : 1;
}

static int compare_merges(const void *a, const void *b) {
  int order = compare_pairs(a, b);
  return order ? order : ((const merge *)a)->rank - ((const merge *)b)->rank;
}

static gm_status index_bytes(gm_clip_tokenizer *t, const gm_piece_table *tokens,
                             gm_error *err) {
  for (unsigned b = 0; b < 256; b++) {
    char symbol[GM_CLIP_SYMBOL_BYTES + 4]; /* and "</w>" */
    gm_clip_byte_symbol(symbol, (unsigned char)b);
    size_t length = strlen(symbol);
    memcpy(symbol + length, "</w>", 4);
    t->byte_ids[0][b] = gm_piece_table_find(tokens, symbol, length);
    t->byte_ids[1][b] = gm_piece_table_find(tokens, symbol, length + 4);
    if (t->byte_ids[0][b] < 0 || t->byte_ids[1][b] < 0)
      return gm_fail(err, GM_ERR_MODEL, "vocabulary: no token %.*s for byte %u",
                     (int)(t->byte_ids[0][b] < 0 ? length : length + 4), symbol, b);
  }
  return GM_OK;
}

static gm_status index_merge(const gm_clip_vocabulary *v, const gm_piece_table *tokens,
                             size_t rank, gm_text *joined, merge *out, gm_error *err) {
  const char *left = v->merges[rank], *space = strchr(left, ' ');
  *out = (merge){-1, -1, (int32_t)rank, -1};
  if (space) {
    size_t left_length = (size_t)(space - left), right_length = strlen(space + 1);
    joined->length = 0;
    GM_TRY(gm_text_append(joined, left, left_length, err));
    GM_TRY(gm_text_append(joined, space + 1, right_length, err));
    out->left = gm_piece_table_find(tokens, left, left_length);
    out->right = gm_piece_table_find(tokens, space + 1, right_length);
    out->result = gm_piece_table_find(tokens, joined->bytes, joined->length);
  }
  if (out->left >= 0 && out->right >= 0 && out->result >= 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "vocabulary: merge %zu, \"%.40s\": its parts or its result are not tokens",
                 rank, left);
}

/* Of a pair that is listed twice, the last is kept, as in upstream's dictionary. */
static void sort_merges(gm_clip_tokenizer *t, size_t n) {
  qsort(t->merges, n, sizeof *t->merges, compare_merges);
  for (size_t i = 0; i < n; i++) {
    if (i + 1 < n && compare_pairs(&t->merges[i], &t->merges[i + 1]) == 0) continue;
    t->merges[t->n_merges++] = t->merges[i];
  }
}

static gm_status index_vocabulary(gm_clip_tokenizer *t, const gm_clip_vocabulary *v,
                                  gm_piece_table *tokens, gm_text *joined, gm_error *err) {
  const int32_t ids[] = {v->start_id, v->end_id, v->pad_id};
  for (size_t i = 0; i < 3; i++)
    if (v->n > GM_CLIP_MAX_TOKENS || v->n_merges > GM_CLIP_MAX_MERGES || ids[i] < 0 ||
        (size_t)ids[i] >= v->n)
      return gm_fail(err, GM_ERR_MODEL,
                     "vocabulary: %zu tokens, %zu merges, special token %d; want at most %d "
                     "tokens, %d merges, and ids of tokens",
                     v->n, v->n_merges, ids[i], GM_CLIP_MAX_TOKENS, GM_CLIP_MAX_MERGES);
  GM_TRY(gm_piece_table_create(tokens, v->n, err));
  for (size_t i = v->n; i-- > 0;) {
    size_t length = strlen(v->tokens[i]);
    if (length) GM_TRY(gm_piece_table_add(tokens, v->tokens[i], length, (int32_t)i, err));
  }
  GM_TRY(index_bytes(t, tokens, err));
  t->merges = malloc((v->n_merges + 1) * sizeof *t->merges);
  if (!t->merges) return gm_fail_memory(err, "a vocabulary", v->n_merges * sizeof *t->merges);
  for (size_t m = 0; m < v->n_merges; m++)
    GM_TRY(index_merge(v, tokens, m, joined, &t->merges[m], err));
  sort_merges(t, v->n_merges);
  t->start_id = v->start_id;
  t->end_id = v->end_id;
  t->pad_id = v->pad_id;
  return GM_OK;
}

gm_status gm_clip_tokenizer_create(gm_clip_tokenizer **out,
                                   const gm_clip_vocabulary *vocabulary, gm_error *err) {
  *out = NULL;
  gm_clip_tokenizer *t = calloc(1, sizeof *t);
  if (!t) return gm_fail_memory(err, "the tokenizer", sizeof *t);
  gm_piece_table tokens = {0};
  gm_text joined = {0};
  gm_status status = index_vocabulary(t, vocabulary, &tokens, &joined, err);
  gm_piece_table_free(&tokens);
  gm_text_free(&joined);
  if (status == GM_OK)
    *out = t;
  else
    gm_clip_tokenizer_free(t);
  return status;
}

void gm_clip_tokenizer_free(gm_clip_tokenizer *tokenizer) {
  if (!tokenizer) return;
  free(tokenizer->merges);
  free(tokenizer);
}

/* ---- words */

typedef enum character_class {
  CLASS_SPACE,
  CLASS_LETTER,
  CLASS_NUMBER,
  CLASS_OTHER
} character_class;

static character_class class_of(uint32_t code) {
  if (code == ' ') return CLASS_SPACE;
  switch (utf8proc_category((utf8proc_int32_t)code)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
    return CLASS_LETTER;
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return CLASS_NUMBER;
  default:
    return CLASS_OTHER;
  }
}

/* Length of the contraction at the start of clean text, or 0. The long s matches too, as in
 * upstream's case-insensitive pattern. */
static size_t contraction(const char *text, size_t n) {
  static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d", "\xC5\xBF"};
  if (text[0] != '\'') return 0;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t length = strlen(endings[i]);
    if (length < n && memcmp(text + 1, endings[i], length) == 0) return 1 + length;
  }
  return 0;
}

/* Length of the word at the start of clean text[0..n), n >= 1, which does not start with a
 * space. */
static size_t word_length(const char *text, size_t n) {
  size_t length = contraction(text, n);
  if (length) return length;
  uint32_t code;
  length = gm_utf8_read(text, n, &code);
  character_class first = class_of(code);
  if (first == CLASS_NUMBER) return length;
  while (length < n) {
    size_t more = gm_utf8_read(text + length, n - length, &code);
    if (class_of(code) != first) break;
    length += more;
  }
  return length;
}

/* The special token at the start of text and its length; -1: none. */
static int32_t special_token(const gm_clip_tokenizer *t, const char *text, size_t n,
                             size_t *length) {
  static const char *const names[] = {"<|startoftext|>", "<|endoftext|>"};
  for (size_t i = 0; i < 2; i++) {
    *length = strlen(names[i]);
    if (*length <= n && memcmp(text, names[i], *length) == 0)
      return i ? t->end_id : t->start_id;
  }
  return -1;
}

/* ---- merging */

static bool find_merge(const void *user, const gm_bpe_symbol *left, const gm_bpe_symbol *right,
                       int32_t *id, float *score) {
  const gm_clip_tokenizer *t = user;
  const merge wanted = {left->id, right->id, 0, 0};
  size_t low = 0, high = t->n_merges;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare_pairs(&t->merges[middle], &wanted);
    if (order == 0) {
      *id = t->merges[middle].result;
      *score = -(float)t->merges[middle].rank;
      return true;
    }
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}

/* symbols has room for the word's bytes. */
static gm_status encode_word(const gm_clip_tokenizer *t, const char *word, size_t n,
                             gm_bpe_symbol *symbols, gm_ids *ids, gm_error *err) {
  for (size_t i = 0; i < n; i++) {
    int32_t id = t->byte_ids[i + 1 == n][(unsigned char)word[i]];
    symbols[i] = (gm_bpe_symbol){.begin = (uint32_t)i, .length = 1, .id = id};
  }
  const gm_bpe_rule rule = {find_merge, t, true};
  GM_TRY(gm_bpe_merge(symbols, n, &rule, err));
  for (uint32_t s = 0; s != GM_BPE_NONE; s = symbols[s].next)
    GM_TRY(gm_ids_append(ids, symbols[s].id, err));
  return GM_OK;
}

static gm_status encode_words(const gm_clip_tokenizer *t, const gm_text *clean,
                              gm_clip_parsing parsing, gm_bpe_symbol *symbols, gm_ids *ids,
                              gm_error *err) {
  size_t length;
  for (size_t i = 0; i < clean->length; i += length) {
    const char *word = clean->bytes + i;
    size_t rest = clean->length - i;
    length = 1;
    if (*word == ' ') continue;
    int32_t special = -1;
    if (parsing == GM_CLIP_AS_UPSTREAM) special = special_token(t, word, rest, &length);
    if (special >= 0) {
      GM_TRY(gm_ids_append(ids, special, err));
      continue;
    }
    length = word_length(word, rest);
    GM_TRY(encode_word(t, word, length, symbols, ids, err));
  }
  return GM_OK;
}

gm_status gm_clip_encode(const gm_clip_tokenizer *tokenizer, const char *text, size_t length,
                         gm_clip_parsing parsing, gm_ids *ids, gm_error *err) {
  gm_text clean = {0};
  gm_bpe_symbol *symbols = NULL;
  gm_status status = gm_clip_clean(&clean, text, length, err);
  if (status == GM_OK) {
    symbols = malloc((clean.length + 1) * sizeof *symbols);
    status = symbols ? encode_words(tokenizer, &clean, parsing, symbols, ids, err)
                     : gm_fail_memory(err, "text", clean.length * sizeof *symbols);
  }
  free(symbols);
  gm_text_free(&clean);
  return status;
}

gm_status gm_clip_encode_context(const gm_clip_tokenizer *tokenizer, const char *text,
                                 size_t length, gm_clip_parsing parsing, int32_t *ids,
                                 size_t context, size_t *n_used, gm_error *err) {
  if (context < 2)
    return gm_fail(err, GM_ERR_ARGUMENT, "a context of %zu tokens; want at least 2", context);
  gm_ids words = {0};
  gm_status status = gm_clip_encode(tokenizer, text, length, parsing, &words, err);
  if (status == GM_OK) {
    size_t n = words.n < context - 2 ? words.n : context - 2;
    ids[0] = tokenizer->start_id;
    if (n) memcpy(ids + 1, words.ids, n * sizeof *ids);
    ids[n + 1] = tokenizer->end_id;
    for (size_t i = n + 2; i < context; i++) ids[i] = tokenizer->pad_id;
    if (n_used) *n_used = n + 2;
  }
  gm_ids_free(&words);
  return status;
}
