/* sentencepiece_model.c - see sentencepiece_model.h. First a reader of protobuf's wire format,
 * then one function per message. */
#include "sentencepiece_model.h"

#include "bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- wire format: https://protobuf.dev/programming-guides/encoding */

typedef struct message {
  const unsigned char *at, *end;
} message;

typedef enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 } wire_type;

typedef struct field {
  uint32_t number;
  wire_type type;
  uint64_t value; /* of WIRE_VARINT, WIRE_32 and WIRE_64 */
  message bytes;  /* of WIRE_BYTES */
} field;

static gm_status damaged(gm_error *err, const char *what) {
  return gm_fail(err, GM_ERR_MODEL,
                 "tokenizer.model: %s; the file is cut or not a SentencePiece model: fetch it "
                 "again",
                 what);
}

static gm_status read_varint(message *m, uint64_t *out, gm_error *err) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (m->at == m->end) return damaged(err, "a number goes past the end of its message");
    unsigned char byte = *m->at++;
    if (shift == 63 && byte > 1) break;
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *out = value;
      return GM_OK;
    }
  }
  return damaged(err, "a number has more than 64 bits");
}

static gm_status read_fixed(message *m, unsigned n_bytes, uint64_t *out, gm_error *err) {
  if ((size_t)(m->end - m->at) < n_bytes)
    return damaged(err, "a number goes past the end of its message");
  *out = gm_le(m->at, n_bytes);
  m->at += n_bytes;
  return GM_OK;
}

/* Reads the next field of m, which must not be at its end. */
static gm_status read_field(message *m, field *f, gm_error *err) {
  uint64_t key;
  GM_TRY(read_varint(m, &key, err));
  if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) return damaged(err, "a field number is invalid");
  *f = (field){.number = (uint32_t)(key >> 3), .type = (wire_type)(key & 7)};
  switch (f->type) {
  case WIRE_VARINT:
    return read_varint(m, &f->value, err);
  case WIRE_64:
    return read_fixed(m, 8, &f->value, err);
  case WIRE_32:
    return read_fixed(m, 4, &f->value, err);
  case WIRE_BYTES: {
    uint64_t length;
    GM_TRY(read_varint(m, &length, err));
    if (length > (uint64_t)(m->end - m->at))
      return damaged(err, "a field goes past the end of its message");
    f->bytes = (message){m->at, m->at + length};
    m->at += length;
    return GM_OK;
  }
  }
  return damaged(err, "a field has an unknown wire type");
}

/* True for the field `number` of that type; a known number of another type is skipped, as
 * protobuf skips unknown fields. */
static bool is_field(const field *f, uint32_t number, wire_type type) {
  return f->number == number && f->type == type;
}

/* ---- messages */

/* Arrays that grow while the file is read. */
typedef struct vocabulary {
  size_t n, capacity;
  message *pieces; /* into the file */
  float *scores;
  int32_t *types;
} vocabulary;

static void vocabulary_free(vocabulary *v) {
  free(v->pieces);
  free(v->scores);
  free(v->types);
}

static gm_status vocabulary_grow(vocabulary *v, gm_error *err) {
  if (v->n < v->capacity) return GM_OK;
  if (v->n == GM_SENTENCEPIECE_MAX_PIECES)
    return gm_fail(err, GM_ERR_MODEL, "tokenizer.model: more than %d pieces",
                   GM_SENTENCEPIECE_MAX_PIECES);
  size_t capacity = v->capacity ? 2 * v->capacity : 1024;
  message *pieces = realloc(v->pieces, capacity * sizeof *pieces);
  if (pieces) v->pieces = pieces;
  float *scores = realloc(v->scores, capacity * sizeof *scores);
  if (scores) v->scores = scores;
  int32_t *types = realloc(v->types, capacity * sizeof *types);
  if (types) v->types = types;
  if (!pieces || !scores || !types)
    return gm_fail_memory(err, "the vocabulary", capacity * sizeof *pieces);
  v->capacity = capacity;
  return GM_OK;
}

static gm_status read_piece(vocabulary *v, message m, gm_error *err) {
  message piece = {NULL, NULL};
  uint32_t score_bits = 0;
  uint64_t type = GM_TOKEN_NORMAL;
  while (m.at < m.end) {
    field f;
    GM_TRY(read_field(&m, &f, err));
    if (is_field(&f, 1, WIRE_BYTES)) piece = f.bytes;
    if (is_field(&f, 2, WIRE_32)) score_bits = (uint32_t)f.value;
    if (is_field(&f, 3, WIRE_VARINT)) type = f.value;
  }
  float score = gm_float_of(score_bits);
  size_t length = (size_t)(piece.end - piece.at);
  if (length == 0 || length > GM_SENTENCEPIECE_MAX_PIECE || memchr(piece.at, 0, length))
    return gm_fail(err, GM_ERR_MODEL,
                   "tokenizer.model: piece %zu has %zu bytes%s; want 1 to %d and no NUL", v->n,
                   length, length && length <= GM_SENTENCEPIECE_MAX_PIECE ? ", a NUL" : "",
                   GM_SENTENCEPIECE_MAX_PIECE);
  if (!isfinite(score) || type < GM_TOKEN_NORMAL || type > GM_TOKEN_BYTE)
    return gm_fail(err, GM_ERR_MODEL,
                   "tokenizer.model: piece %zu has score %g and type %llu; want a finite score "
                   "and a type from 1 to 6",
                   v->n, (double)score, (unsigned long long)type);
  GM_TRY(vocabulary_grow(v, err));
  v->pieces[v->n] = piece;
  v->scores[v->n] = score;
  v->types[v->n] = (int32_t)type;
  v->n++;
  return GM_OK;
}

/* Ids are int32 in the schema: a negative one is a 64-bit varint with the sign extended. */
static int32_t id_of(uint64_t value) {
  return value > INT32_MAX ? -1 : (int32_t)value;
}

static gm_status read_trainer(gm_sentencepiece_model *out, message m, gm_error *err) {
  while (m.at < m.end) {
    field f;
    GM_TRY(read_field(&m, &f, err));
    if (f.type != WIRE_VARINT) continue;
    if (f.number == 3) {
      if (f.value < GM_SENTENCEPIECE_UNIGRAM || f.value > GM_SENTENCEPIECE_CHAR)
        return gm_fail(err, GM_ERR_MODEL, "tokenizer.model: model type %llu; want 1 to 4",
                       (unsigned long long)f.value);
      out->kind = (gm_sentencepiece_kind)f.value;
    }
    if (f.number == 35) out->byte_fallback = f.value != 0;
    if (f.number == 40) out->unk_id = id_of(f.value);
    if (f.number == 41) out->bos_id = id_of(f.value);
    if (f.number == 42) out->eos_id = id_of(f.value);
    if (f.number == 43) out->pad_id = id_of(f.value);
  }
  return GM_OK;
}

static gm_status read_normalizer(gm_sentencepiece_model *out, message m, gm_error *err) {
  while (m.at < m.end) {
    field f;
    GM_TRY(read_field(&m, &f, err));
    if (is_field(&f, 2, WIRE_BYTES)) out->has_charsmap = f.bytes.at != f.bytes.end;
    if (is_field(&f, 3, WIRE_VARINT)) out->add_dummy_prefix = f.value != 0;
    if (is_field(&f, 4, WIRE_VARINT)) out->remove_extra_whitespaces = f.value != 0;
    if (is_field(&f, 5, WIRE_VARINT)) out->escape_whitespaces = f.value != 0;
  }
  return GM_OK;
}

static gm_status read_model(gm_sentencepiece_model *out, vocabulary *v, message m,
                            gm_error *err) {
  while (m.at < m.end) {
    field f;
    GM_TRY(read_field(&m, &f, err));
    if (is_field(&f, 1, WIRE_BYTES)) GM_TRY(read_piece(v, f.bytes, err));
    if (is_field(&f, 2, WIRE_BYTES)) GM_TRY(read_trainer(out, f.bytes, err));
    if (is_field(&f, 3, WIRE_BYTES)) GM_TRY(read_normalizer(out, f.bytes, err));
  }
  if (v->n == 0) return damaged(err, "it has no pieces");
  const int32_t ids[] = {out->unk_id, out->bos_id, out->eos_id, out->pad_id};
  for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
    if (ids[i] >= 0 && (size_t)ids[i] >= v->n)
      return gm_fail(err, GM_ERR_MODEL,
                     "tokenizer.model: special id %d, but there are only %zu pieces", ids[i],
                     v->n);
  return GM_OK;
}

/* Copies the pieces out of the file into one block of text and hands the arrays over. */
static gm_status take_vocabulary(gm_sentencepiece_model *out, vocabulary *v, gm_error *err) {
  size_t bytes = 0; /* below the size of the file + n */
  for (size_t i = 0; i < v->n; i++) bytes += (size_t)(v->pieces[i].end - v->pieces[i].at) + 1;
  char *text = malloc(bytes);
  const char **pieces = malloc(v->n * sizeof *pieces);
  if (!text || !pieces) {
    free(text);
    free(pieces);
    return gm_fail_memory(err, "the vocabulary", bytes);
  }
  char *to = text;
  for (size_t i = 0; i < v->n; i++) {
    size_t length = (size_t)(v->pieces[i].end - v->pieces[i].at);
    pieces[i] = memcpy(to, v->pieces[i].at, length);
    to[length] = 0;
    to += length + 1;
  }
  out->n = v->n;
  out->text = text;
  out->pieces = pieces;
  out->scores = v->scores;
  out->types = v->types;
  v->scores = NULL;
  v->types = NULL;
  return GM_OK;
}

gm_status gm_sentencepiece_parse(gm_sentencepiece_model *out, const void *bytes, size_t size,
                                 gm_error *err) {
  *out = (gm_sentencepiece_model){0};
  if (size > GM_SENTENCEPIECE_MAX_FILE)
    return gm_fail(err, GM_ERR_MODEL, "tokenizer.model: %zu bytes; want at most %d", size,
                   GM_SENTENCEPIECE_MAX_FILE);
  /* The schema's defaults. */
  gm_sentencepiece_model model = {.unk_id = 0,
                                  .bos_id = 1,
                                  .eos_id = 2,
                                  .pad_id = -1,
                                  .kind = GM_SENTENCEPIECE_UNIGRAM,
                                  .add_dummy_prefix = true,
                                  .remove_extra_whitespaces = true,
                                  .escape_whitespaces = true};
  vocabulary v = {0};
  message file = {bytes, (const unsigned char *)bytes + size};
  gm_status status = read_model(&model, &v, file, err);
  if (status == GM_OK) status = take_vocabulary(&model, &v, err);
  vocabulary_free(&v);
  if (status == GM_OK) *out = model;
  return status;
}

void gm_sentencepiece_free(gm_sentencepiece_model *model) {
  free((void *)model->pieces);
  free((void *)model->scores);
  free((void *)model->types);
  free(model->text);
  *model = (gm_sentencepiece_model){0};
}
