/* llama_tokenizer.c - see llama_tokenizer.h: vocabulary and its checks, then encoding
 * (parts -> segments at tokens -> BPE of each), then decoding. */
#include "llama_tokenizer.h"

#include "bpe.h"
#include "piece_table.h"
#include "utf8.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* U+2581, SentencePiece's visible space. */
#define SPACE_MARK "\xE2\x96\x81"
enum { SPACE_MARK_LENGTH = 3, MAX_MARK_LENGTH = 256 };

_Static_assert((uint64_t)GM_LLAMA_MAX_TEXT *SPACE_MARK_LENGTH + SPACE_MARK_LENGTH <=
                   GM_BPE_MAX_SYMBOLS,
               "an escaped text must fit");

struct gm_llama_tokenizer {
  gm_llama_vocabulary v;
  gm_piece_table pieces;                 /* NORMAL: the possible results of merging */
  gm_piece_table marks;                  /* added and special tokens, by their text */
  bool mark_length[MAX_MARK_LENGTH + 1]; /* lengths that marks have */
  bool mark_start[256];                  /* first bytes that marks have */
  bool has_bytes;                        /* all 256 of byte_ids are there */
  int32_t byte_ids[256];                 /* -1: none */
};

/* ---- vocabulary */

gm_status gm_llama_vocabulary_join(gm_llama_vocabulary *out,
                                   const gm_sentencepiece_model *model,
                                   const char *const *added, size_t n_added, gm_error *err) {
  *out = (gm_llama_vocabulary){0};
  if (model->kind != GM_SENTENCEPIECE_BPE)
    return gm_fail(err, GM_ERR_MODEL,
                   "tokenizer.model: model type %d; want 2 (BPE), as LLaMA's", model->kind);
  if (model->has_charsmap || model->remove_extra_whitespaces || !model->add_dummy_prefix ||
      !model->escape_whitespaces)
    return gm_fail(
        err, GM_ERR_MODEL,
        "tokenizer.model: it normalises text; want the identity with a dummy prefix, "
        "as LLaMA's");
  if (n_added > (size_t)GM_LLAMA_MAX_TOKENS - model->n)
    return gm_fail(err, GM_ERR_MODEL, "%zu pieces and %zu added tokens; want at most %d",
                   model->n, n_added, GM_LLAMA_MAX_TOKENS);
  size_t n = model->n + n_added;
  const char **pieces = malloc(n * sizeof *pieces);
  float *scores = malloc(n * sizeof *scores);
  int32_t *types = malloc(n * sizeof *types);
  *out = (gm_llama_vocabulary){
      n, pieces, scores, types, model->bos_id, model->eos_id, model->unk_id};
  if (!pieces || !scores || !types) {
    gm_llama_vocabulary_free(out);
    return gm_fail_memory(err, "the vocabulary", n * sizeof *pieces);
  }
  for (size_t i = 0; i < n; i++) {
    bool base = i < model->n;
    pieces[i] = base ? model->pieces[i] : added[i - model->n];
    scores[i] = base ? model->scores[i] : 0;
    types[i] = base ? model->types[i] : GM_TOKEN_USER_DEFINED;
  }
  return GM_OK;
}

void gm_llama_vocabulary_free(gm_llama_vocabulary *vocabulary) {
  free((void *)vocabulary->pieces);
  free((void *)vocabulary->scores);
  free((void *)vocabulary->types);
  *vocabulary = (gm_llama_vocabulary){0};
}

/* The value of a byte piece "<0x0A>", or -1. */
static int byte_of_piece(const char *piece) {
  if (strlen(piece) != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>') return -1;
  int value = 0;
  for (size_t i = 3; i < 5; i++) {
    char c = piece[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static bool in_range(const gm_llama_vocabulary *v, int32_t id) {
  return id >= 0 && (size_t)id < v->n;
}

static bool is_special(const gm_llama_vocabulary *v, int32_t id) {
  return id >= 0 && (id == v->bos_id || id == v->eos_id || id == v->unk_id);
}

static gm_status add_mark(gm_llama_tokenizer *t, int32_t id, size_t length, gm_error *err) {
  const char *text = t->v.pieces[id];
  if (length > MAX_MARK_LENGTH)
    return gm_fail(err, GM_ERR_MODEL,
                   "vocabulary: added token %d has %zu bytes; want at most %d", id, length,
                   MAX_MARK_LENGTH);
  t->mark_length[length] = true;
  t->mark_start[(unsigned char)text[0]] = true;
  return gm_piece_table_add(&t->marks, text, length, id, err);
}

static gm_status index_piece(gm_llama_tokenizer *t, int32_t id, gm_error *err) {
  const gm_llama_vocabulary *v = &t->v;
  const char *piece = v->pieces[id];
  int32_t type = v->types[id];
  if (!isfinite(v->scores[id]) || type < GM_TOKEN_NORMAL || type > GM_TOKEN_BYTE)
    return gm_fail(err, GM_ERR_MODEL,
                   "vocabulary: token %d has score %g and type %d; want a finite score and a "
                   "type from 1 to 6",
                   id, (double)v->scores[id], type);
  if (type == GM_TOKEN_BYTE) {
    int byte = byte_of_piece(piece);
    if (byte < 0)
      return gm_fail(err, GM_ERR_MODEL,
                     "vocabulary: byte token %d is called \"%.20s\"; want <0x00> to <0xFF>", id,
                     piece);
    if (t->byte_ids[byte] < 0) t->byte_ids[byte] = id;
  }
  size_t length = strlen(piece);
  if (length == 0) return GM_OK;
  if (is_special(v, id) || type == GM_TOKEN_USER_DEFINED) return add_mark(t, id, length, err);
  if (type != GM_TOKEN_NORMAL) return GM_OK;
  return gm_piece_table_add(&t->pieces, piece, length, id, err);
}

static gm_status index_vocabulary(gm_llama_tokenizer *t, gm_error *err) {
  const gm_llama_vocabulary *v = &t->v;
  if (v->n == 0 || v->n > GM_LLAMA_MAX_TOKENS)
    return gm_fail(err, GM_ERR_MODEL, "vocabulary: %zu tokens; want 1 to %d", v->n,
                   GM_LLAMA_MAX_TOKENS);
  const int32_t ids[] = {v->bos_id, v->eos_id, v->unk_id};
  for (size_t i = 0; i < 3; i++)
    if (ids[i] != -1 && !in_range(v, ids[i]))
      return gm_fail(err, GM_ERR_MODEL, "vocabulary: special token id %d of %zu tokens", ids[i],
                     v->n);
  size_t n_marks = 3;
  for (size_t i = 0; i < v->n; i++) n_marks += v->types[i] == GM_TOKEN_USER_DEFINED;
  GM_TRY(gm_piece_table_create(&t->pieces, v->n, err));
  GM_TRY(gm_piece_table_create(&t->marks, n_marks, err));
  for (size_t i = 0; i < 256; i++) t->byte_ids[i] = -1;
  for (size_t i = 0; i < v->n; i++) GM_TRY(index_piece(t, (int32_t)i, err));
  t->has_bytes = true;
  for (size_t i = 0; i < 256; i++) t->has_bytes = t->has_bytes && t->byte_ids[i] >= 0;
  if (!t->has_bytes && v->unk_id < 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "vocabulary: it has neither all 256 byte tokens nor <unk>, so some text has "
                   "no tokens");
  return GM_OK;
}

gm_status gm_llama_tokenizer_create(gm_llama_tokenizer **out,
                                    const gm_llama_vocabulary *vocabulary, gm_error *err) {
  *out = NULL;
  gm_llama_tokenizer *t = calloc(1, sizeof *t);
  if (!t) return gm_fail_memory(err, "the tokenizer", sizeof *t);
  t->v = *vocabulary;
  gm_status status = index_vocabulary(t, err);
  if (status == GM_OK)
    *out = t;
  else
    gm_llama_tokenizer_free(t);
  return status;
}

void gm_llama_tokenizer_free(gm_llama_tokenizer *tokenizer) {
  if (!tokenizer) return;
  gm_piece_table_free(&tokenizer->pieces);
  gm_piece_table_free(&tokenizer->marks);
  free(tokenizer);
}

const gm_llama_vocabulary *gm_llama_tokenizer_vocabulary(const gm_llama_tokenizer *tokenizer) {
  return &tokenizer->v;
}

int32_t gm_llama_token_id(const gm_llama_tokenizer *tokenizer, const char *token) {
  return gm_piece_table_find(&tokenizer->marks, token, strlen(token));
}

bool gm_llama_token_is_added(const gm_llama_tokenizer *tokenizer, int32_t id) {
  const gm_llama_vocabulary *v = &tokenizer->v;
  return in_range(v, id) && v->types[id] == GM_TOKEN_USER_DEFINED && !is_special(v, id);
}

bool gm_llama_token_is_special(const gm_llama_tokenizer *tokenizer, int32_t id) {
  return is_special(&tokenizer->v, id);
}

/* ---- encoding */

/* The parts as one valid text, cut at the tokens that were parsed. */
typedef struct segment {
  size_t begin, end; /* text in front of the token */
  int32_t token;     /* -1: the end of the text */
} segment;

typedef struct segments {
  gm_text text;
  segment *items;
  size_t n, capacity;
} segments;

/* Ends the current segment, which began where the last one ended. */
static gm_status close_segment(segments *s, int32_t token, gm_error *err) {
  if (s->n == s->capacity) {
    size_t capacity = s->capacity ? 2 * s->capacity : 32; /* at most a token per byte of text */
    segment *grown = realloc(s->items, capacity * sizeof *grown);
    if (!grown) return gm_fail_memory(err, "the tokenizer", capacity * sizeof *grown);
    s->items = grown;
    s->capacity = capacity;
  }
  size_t begin = s->n ? s->items[s->n - 1].end : 0;
  s->items[s->n++] = (segment){begin, s->text.length, token};
  return GM_OK;
}

/* The longest token at the start of text[0..n), or -1. */
static int32_t find_mark(const gm_llama_tokenizer *t, const char *text, size_t n,
                         size_t *length) {
  if (!t->mark_start[(unsigned char)text[0]]) return -1;
  size_t longest = t->marks.max_length < n ? t->marks.max_length : n;
  for (*length = longest; *length > 0; --*length) {
    if (!t->mark_length[*length]) continue;
    int32_t id = gm_piece_table_find(&t->marks, text, *length);
    if (id >= 0) return id;
  }
  return -1;
}

static gm_status add_part(const gm_llama_tokenizer *t, segments *s, const gm_llama_part *part,
                          gm_error *err) {
  size_t begin = 0;
  for (size_t i = 0; part->parse && i < part->length;) {
    size_t length;
    int32_t id = find_mark(t, part->text + i, part->length - i, &length);
    if (id < 0) {
      i++;
      continue;
    }
    GM_TRY(gm_text_append_valid(&s->text, part->text + begin, i - begin, err));
    GM_TRY(close_segment(s, id, err));
    begin = i += length;
  }
  return gm_text_append_valid(&s->text, part->text + begin, part->length - begin, err);
}

/* SentencePiece's rule: a pair may be merged if the result is a piece, whose score is the
 * pair's. */
typedef struct piece_rule {
  const gm_llama_tokenizer *t;
  const char *text;
} piece_rule;

static bool find_piece(const void *user, const gm_bpe_symbol *left, const gm_bpe_symbol *right,
                       int32_t *id, float *score) {
  const piece_rule *rule = user;
  *id = gm_piece_table_find(&rule->t->pieces, rule->text + left->begin,
                            (size_t)left->length + right->length);
  if (*id < 0) return false;
  *score = rule->t->v.scores[*id];
  return true;
}

/* Valid text, not empty -> one symbol for each character; free() them. */
static gm_status split_characters(const gm_llama_tokenizer *t, const gm_text *text,
                                  gm_bpe_symbol **out, size_t *n, gm_error *err) {
  *n = 0;
  for (size_t i = 0; i < text->length; i++)
    *n += ((unsigned char)text->bytes[i] & 0xC0) != 0x80;
  gm_bpe_symbol *symbols = *out = malloc(*n * sizeof *symbols);
  if (!symbols) return gm_fail_memory(err, "the tokenizer", *n * sizeof *symbols);
  for (size_t i = 0, s = 0; i < text->length; s++) {
    uint32_t code;
    size_t length = gm_utf8_read(text->bytes + i, text->length - i, &code);
    int32_t id = gm_piece_table_find(&t->pieces, text->bytes + i, length);
    symbols[s] = (gm_bpe_symbol){.begin = (uint32_t)i, .length = (uint32_t)length, .id = id};
    i += length;
  }
  return GM_OK;
}

/* Appends the ids of a merged text. Unknown symbols become byte tokens, or one <unk> for a run.
 */
static gm_status append_symbols(const gm_llama_tokenizer *t, const gm_text *text,
                                const gm_bpe_symbol *symbols, gm_ids *ids, gm_error *err) {
  bool after_unk = false;
  for (uint32_t s = 0; s != GM_BPE_NONE; s = symbols[s].next) {
    const gm_bpe_symbol *symbol = &symbols[s];
    bool unknown = symbol->id < 0 && !t->has_bytes;
    if (symbol->id >= 0)
      GM_TRY(gm_ids_append(ids, symbol->id, err));
    else if (!unknown)
      for (size_t i = 0; i < symbol->length; i++)
        GM_TRY(gm_ids_append(ids, t->byte_ids[(unsigned char)text->bytes[symbol->begin + i]],
                             err));
    else if (!after_unk)
      GM_TRY(gm_ids_append(ids, t->v.unk_id, err));
    after_unk = unknown;
  }
  return GM_OK;
}

/* The text with a space in front, all spaces as U+2581. */
static gm_status escape_spaces(gm_text *out, const char *text, size_t length, gm_error *err) {
  GM_TRY(gm_text_append_string(out, SPACE_MARK, err));
  size_t begin = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] != ' ') continue;
    GM_TRY(gm_text_append(out, text + begin, i - begin, err));
    GM_TRY(gm_text_append_string(out, SPACE_MARK, err));
    begin = i + 1;
  }
  return gm_text_append(out, text + begin, length - begin, err);
}

static gm_status encode_piece(const gm_llama_tokenizer *t, const char *text, size_t length,
                              gm_ids *ids, gm_error *err) {
  if (length == 0) return GM_OK;
  gm_text escaped = {0};
  gm_bpe_symbol *symbols = NULL;
  size_t n;
  gm_status status = escape_spaces(&escaped, text, length, err);
  if (status == GM_OK) status = split_characters(t, &escaped, &symbols, &n, err);
  if (status == GM_OK) {
    const piece_rule user = {t, escaped.bytes};
    const gm_bpe_rule rule = {find_piece, &user, false};
    status = gm_bpe_merge(symbols, n, &rule, err);
  }
  if (status == GM_OK) status = append_symbols(t, &escaped, symbols, ids, err);
  free(symbols);
  gm_text_free(&escaped);
  return status;
}

static gm_status encode_segments(const gm_llama_tokenizer *t, const segments *s, gm_ids *ids,
                                 gm_error *err) {
  for (size_t i = 0; i < s->n; i++) {
    segment g = s->items[i];
    assert(g.begin <= g.end && g.end <= s->text.length);
    if (gm_llama_token_is_added(t, g.token)) gm_trim_right(s->text.bytes, g.begin, &g.end);
    if (i > 0 && gm_llama_token_is_added(t, s->items[i - 1].token))
      gm_trim_left(s->text.bytes, &g.begin, g.end);
    GM_TRY(encode_piece(t, s->text.bytes + g.begin, g.end - g.begin, ids, err));
    if (g.token >= 0) GM_TRY(gm_ids_append(ids, g.token, err));
  }
  return GM_OK;
}

gm_status gm_llama_encode_parts(const gm_llama_tokenizer *tokenizer, const gm_llama_part *parts,
                                size_t n_parts, gm_ids *ids, gm_error *err) {
  size_t room = GM_LLAMA_MAX_TEXT;
  for (size_t i = 0; i < n_parts; i++) {
    if (parts[i].length > room)
      return gm_fail(err, GM_ERR_ARGUMENT, "the text has more than %d bytes",
                     GM_LLAMA_MAX_TEXT);
    room -= parts[i].length;
  }
  segments s = {0};
  gm_status status = gm_text_append(&s.text, "", 0, err);
  for (size_t i = 0; status == GM_OK && i < n_parts; i++)
    status = add_part(tokenizer, &s, &parts[i], err);
  if (status == GM_OK) status = close_segment(&s, -1, err);
  if (status == GM_OK) status = encode_segments(tokenizer, &s, ids, err);
  free(s.items);
  gm_text_free(&s.text);
  return status;
}

gm_status gm_llama_encode(const gm_llama_tokenizer *tokenizer, const char *text, size_t length,
                          bool parse, gm_ids *ids, gm_error *err) {
  const gm_llama_part part = {text, length, parse};
  return gm_llama_encode_parts(tokenizer, &part, 1, ids, err);
}

/* ---- decoding */

static bool is_byte(const gm_llama_vocabulary *v, int32_t id) {
  return v->types[id] == GM_TOKEN_BYTE && !is_special(v, id);
}

/* Length of the space mark at the start of a piece, or 0. */
static size_t leading_space(const char *piece) {
  return strncmp(piece, SPACE_MARK, SPACE_MARK_LENGTH) == 0 ? SPACE_MARK_LENGTH : 0;
}

/* Appends valid text with spaces for space marks. */
static gm_status append_piece(gm_text *out, const char *piece, gm_error *err) {
  for (const char *mark; (mark = strstr(piece, SPACE_MARK)); piece = mark + SPACE_MARK_LENGTH) {
    GM_TRY(gm_text_append_valid(out, piece, (size_t)(mark - piece), err));
    GM_TRY(gm_text_append(out, " ", 1, err));
  }
  return gm_text_append_valid(out, piece, strlen(piece), err);
}

/* Removes the first `length` held bytes. */
static void drop_held(gm_llama_stream *s, size_t length) {
  assert(length <= s->n_held);
  s->n_held -= (unsigned)length;
  memmove(s->held, s->held + length, s->n_held);
}

/* Adds one byte of a character. Appends the character if it is whole, and U+FFFD for bytes that
 * cannot become one. */
static gm_status push_byte(gm_llama_stream *s, unsigned char byte, gm_text *out,
                           gm_error *err) {
  assert(s->n_held < sizeof s->held);
  s->held[s->n_held++] = byte;
  while (s->n_held) {
    uint32_t code;
    const char *held = (const char *)s->held;
    size_t length = gm_utf8_read(held, s->n_held, &code);
    if (length == 0 && gm_utf8_is_incomplete(held, s->n_held)) break;
    if (length == 0 || code == 0)
      GM_TRY(gm_text_append_string(out, GM_UTF8_REPLACEMENT, err));
    else
      GM_TRY(gm_text_append(out, held, length, err));
    drop_held(s, length ? length : 1);
  }
  return GM_OK;
}

gm_status gm_llama_stream_finish(gm_llama_stream *stream, gm_text *out, gm_error *err) {
  for (; stream->n_held; drop_held(stream, 1))
    GM_TRY(gm_text_append_string(out, GM_UTF8_REPLACEMENT, err));
  return GM_OK;
}

static gm_status fail_id(const gm_llama_tokenizer *t, int32_t id, gm_error *err) {
  return gm_fail(err, GM_ERR_ARGUMENT, "token id %d; want 0 to %zu", id, t->v.n - 1);
}

/* A piece of text; the space in front of the first one is the dummy prefix. */
static gm_status push_text(gm_llama_stream *s, const char *piece, gm_text *out, gm_error *err) {
  if (*piece == 0) return GM_OK;
  if (!s->began) piece += leading_space(piece);
  s->began = true;
  return append_piece(out, piece, err);
}

gm_status gm_llama_stream_push(const gm_llama_tokenizer *tokenizer, gm_llama_stream *stream,
                               int32_t id, gm_text *out, gm_error *err) {
  const gm_llama_vocabulary *v = &tokenizer->v;
  if (!in_range(v, id)) return fail_id(tokenizer, id, err);
  if (is_byte(v, id)) {
    stream->began = true;
    return push_byte(stream, (unsigned char)byte_of_piece(v->pieces[id]), out, err);
  }
  GM_TRY(gm_llama_stream_finish(stream, out, err));
  if (is_special(v, id) || v->types[id] == GM_TOKEN_USER_DEFINED) {
    stream->began = false;
    return GM_OK;
  }
  return v->types[id] == GM_TOKEN_CONTROL ? GM_OK : push_text(stream, v->pieces[id], out, err);
}

/* Appends the text of ids without added or special tokens. The first piece of a part loses a
 * space of its own before the dummy prefix is taken off (transformers 4.32,
 * convert_tokens_to_string), so a part of lone spaces loses two. */
static gm_status decode_text(const gm_llama_tokenizer *t, const int32_t *ids, size_t n,
                             bool starts_part, gm_text *out, gm_error *err) {
  gm_llama_stream stream = {0};
  size_t i = 0;
  if (starts_part && n && !is_byte(&t->v, ids[0])) {
    const char *piece = t->v.pieces[ids[0]];
    size_t length = leading_space(piece);
    if (length) {
      GM_TRY(push_text(&stream, piece + length, out, err));
      i = 1;
    }
  }
  for (; i < n; i++) GM_TRY(gm_llama_stream_push(t, &stream, ids[i], out, err));
  return gm_llama_stream_finish(&stream, out, err);
}

/* Appends the text of the ids between two added tokens. */
static gm_status decode_part(const gm_llama_tokenizer *t, const int32_t *ids, size_t n,
                             gm_text *out, gm_error *err) {
  size_t begin = 0; /* of the text in front of the next special token */
  for (size_t i = 0; i < n; i++) {
    if (!is_special(&t->v, ids[i])) continue;
    bool follows_special = i > 0 && begin == i;
    if (i > 0 && !follows_special) GM_TRY(gm_text_append(out, " ", 1, err));
    GM_TRY(decode_text(t, ids + begin, i - begin, begin == 0, out, err));
    GM_TRY(append_piece(out, t->v.pieces[ids[i]], err));
    begin = i + 1;
  }
  return decode_text(t, ids + begin, n - begin, begin == 0, out, err);
}

gm_status gm_llama_decode(const gm_llama_tokenizer *tokenizer, const int32_t *ids, size_t n,
                          gm_text *out, gm_error *err) {
  for (size_t i = 0; i < n; i++)
    if (!in_range(&tokenizer->v, ids[i])) return fail_id(tokenizer, ids[i], err);
  for (size_t i = 0; i < n;) {
    if (i > 0) GM_TRY(gm_text_append(out, " ", 1, err));
    if (gm_llama_token_is_added(tokenizer, ids[i])) {
      GM_TRY(append_piece(out, tokenizer->v.pieces[ids[i++]], err));
      continue;
    }
    size_t end = i;
    while (end < n && !gm_llama_token_is_added(tokenizer, ids[end])) end++;
    GM_TRY(decode_part(tokenizer, ids + i, end - i, out, err));
    i = end;
  }
  return GM_OK;
}
