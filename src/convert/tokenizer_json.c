/* tokenizer_json.c - see tokenizer_json.h. The meaning of tokenizer.json's parts: the
 * documentation of Hugging Face's tokenizers, and what transformers 4.57 and 5.24 write. */
#include "tokenizer_json.h"

#include "text_buffer.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables */

#define SPAN "offsets only"
#define BYTES "every byte has a token"

static const gm_member root_members[] = {
    GM_HARMLESS("version", "of the file"),
    GM_HARMLESS("truncation", "the model's context cuts a text"),
    GM_HARMLESS("padding", "texts are as long as they are"),
    GM_HARMLESS("decoder", "the decoding of this vocabulary is known"),
    GM_READ("added_tokens"),
    GM_MEMBERS_END,
};

/* CLIP: bytes as characters, words end with </w>. The text is lower case by then. */
#define SPECIAL_WORDS "<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|"
#define WORDS "'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+"
#define SPLIT(words, byte_level)                                                               \
  "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"      \
  "\"" words "\"},\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\","          \
  "\"add_prefix_space\":false,\"trim_offsets\":true" byte_level "}]}"
#define WITH_REGEX ",\"use_regex\":true"

static const gm_member clip_root[] = {
    GM_ONLY("normalizer",
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Replace\","
            "\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Lowercase\"}]}"),
    GM_ONLY("pre_tokenizer", SPLIT(SPECIAL_WORDS WORDS, WITH_REGEX), SPLIT(WORDS, WITH_REGEX),
            SPLIT(SPECIAL_WORDS WORDS, ""), SPLIT(WORDS, "")),
    GM_MEMBERS_END,
};

static const gm_member clip_post[] = {
    GM_ONLY("type", "\"RobertaProcessing\""),
    GM_READ("cls"),
    GM_READ("sep"),
    GM_HARMLESS("trim_offsets", SPAN),
    GM_HARMLESS("add_prefix_space", SPAN),
    GM_MEMBERS_END,
};

static const gm_member clip_model[] = {
    GM_ONLY("type", "\"BPE\""),
    GM_NULL("dropout"),
    GM_HARMLESS("unk_token", BYTES),
    GM_HARMLESS("fuse_unk", BYTES),
    GM_ONLY("continuing_subword_prefix", "\"\"", "null"),
    GM_ONLY("end_of_word_suffix", "\"</w>\""),
    GM_OFF("byte_fallback"),
    GM_OFF("ignore_merges"),
    GM_READ("vocab"),
    GM_READ("merges"),
    GM_MEMBERS_END,
};

const gm_config_rows gm_clip_tokenizer_rows[GM_CLIP_TOKENIZER_ROWS] = {
    {"", root_members},
    {"", clip_root},
    {"post_processor", clip_post},
    {"model", clip_model},
};

/* LLaMA: SentencePiece's pieces, a space in front of every piece of text. */
static const gm_member llama_root[] = {
    GM_ONLY(
        "normalizer", "null",
        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\u2581\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}]}"),
    GM_ONLY("pre_tokenizer", "null",
            "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"always\","
            "\"split\":false}"),
    GM_HARMLESS("post_processor", "the prompt begins with <s> in any case"),
    GM_MEMBERS_END,
};

static const gm_member llama_model[] = {
    GM_ONLY("type", "\"BPE\""),
    GM_NULL("dropout"),
    GM_HARMLESS("unk_token", BYTES),
    GM_HARMLESS("fuse_unk", BYTES),
    GM_ONLY("continuing_subword_prefix", "\"\"", "null"),
    GM_ONLY("end_of_word_suffix", "\"\"", "null"),
    GM_ONLY("byte_fallback", "true"),
    GM_OFF("ignore_merges"),
    GM_READ("vocab"),
    GM_READ("merges"),
    GM_MEMBERS_END,
};

const gm_config_rows gm_llama_tokenizer_rows[GM_LLAMA_TOKENIZER_ROWS] = {
    {"", root_members},
    {"", llama_root},
    {"model", llama_model},
};

/* ---- both */

static gm_status want_parts(const json_t *root, const json_t **vocab, const json_t **merges,
                            gm_error *err) {
  const json_t *model = json_object_get(root, "model");
  *vocab = json_object_get(model, "vocab");
  *merges = json_object_get(model, "merges");
  if (json_is_object(*vocab) && json_is_array(*merges)) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 GM_TOKENIZER_JSON ": wanted an object model.vocab and an array model.merges");
}

/* One merge: ["left", "right"], or "left right" in older files. */
static bool split_merge(const json_t *merge, const char **left, size_t *n_left,
                        const char **right) {
  if (json_is_array(merge) && json_array_size(merge) == 2) {
    *left = json_string_value(json_array_get(merge, 0));
    *right = json_string_value(json_array_get(merge, 1));
    *n_left = *left ? strlen(*left) : 0;
  } else {
    *left = json_string_value(merge);
    const char *space = *left ? strchr(*left, ' ') : NULL;
    *n_left = space ? (size_t)(space - *left) : 0;
    *right = space ? space + 1 : NULL;
  }
  return *left && *right && *n_left > 0 && **right;
}

static gm_status refuse_merge(size_t i, gm_error *err) {
  return gm_fail(err, GM_ERR_MODEL,
                 GM_TOKENIZER_JSON ": model.merges[%zu]: wanted two pieces of the vocabulary "
                                   "whose joined text is one too",
                 i);
}

gm_status gm_added_tokens_from_json(json_t **out, const json_t *root, gm_error *err) {
  const json_t *list = json_object_get(root, "added_tokens");
  *out = json_object();
  if (!*out) return gm_fail_memory(err, "the added tokens", 64);
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *entry = json_array_get(list, i);
    const char *content = json_string_value(json_object_get(entry, "content"));
    json_t *id = json_object_get(entry, "id");
    if (content && json_is_integer(id)) {
      if (json_object_set(*out, content, id) == 0) continue;
      return gm_fail_memory(err, "the added tokens", 64);
    }
    return gm_fail(err, GM_ERR_MODEL,
                   GM_TOKENIZER_JSON ": added_tokens[%zu]: wanted \"id\" and \"content\"", i);
  }
  return GM_OK;
}

gm_status gm_added_tokens_from_decoder(json_t **out, const json_t *root, gm_error *err) {
  const char *key;
  json_t *value;
  *out = json_object();
  if (!*out) return gm_fail_memory(err, "the added tokens", 64);
  const json_t *list = json_object_get(root, "added_tokens_decoder");
  json_object_foreach((json_t *)(uintptr_t)list, key, value) {
    const char *content = json_string_value(json_object_get(value, "content"));
    char *end;
    long id = strtol(key, &end, 10);
    if (!content || *end || end == key)
      return gm_fail(err, GM_ERR_MODEL,
                     GM_TOKENIZER_CONFIG
                     ": added_tokens_decoder: \"%.40s\": wanted an id, and \"content\"",
                     key);
    if (json_object_set_new(*out, content, json_integer(id)) != 0)
      return gm_fail_memory(err, "the added tokens", 64);
  }
  return GM_OK;
}

/* ---- CLIP */

static gm_status write_merges(gm_text *text, const json_t *merges, gm_error *err) {
  static const char head[] = "#version: " GM_TOKENIZER_JSON "\n";
  GM_TRY(gm_text_append(text, head, sizeof head - 1, err));
  for (size_t i = 0; i < json_array_size(merges); i++) {
    const char *left, *right;
    size_t n;
    if (!split_merge(json_array_get(merges, i), &left, &n, &right)) return refuse_merge(i, err);
    GM_TRY(gm_text_append(text, left, n, err));
    GM_TRY(gm_text_append(text, " ", 1, err));
    GM_TRY(gm_text_append(text, right, strlen(right), err));
    GM_TRY(gm_text_append(text, "\n", 1, err));
  }
  return GM_OK;
}

/* model.vocab, with the added tokens that are not in it. */
static gm_status whole_vocab(json_t **out, const json_t *root, const json_t *vocab,
                             gm_error *err) {
  json_t *added;
  const char *token;
  json_t *id;
  *out = json_copy((json_t *)(uintptr_t)vocab);
  if (!*out) return gm_fail_memory(err, "a vocabulary", json_object_size(vocab));
  gm_status status = gm_added_tokens_from_json(&added, root, err);
  if (status == GM_OK && json_object_update_missing(*out, added) != 0)
    status = gm_fail_memory(err, "a vocabulary", json_object_size(vocab));
  json_object_foreach(added, token, id) {
    if (status == GM_OK && !json_equal(json_object_get(*out, token), id))
      status = gm_fail(err, GM_ERR_MODEL,
                       GM_TOKENIZER_JSON
                       ": the added token \"%.40s\" has another id than in model.vocab",
                       token);
  }
  json_decref(added);
  return status;
}

/* The text of the pair [token, id]. */
static bool is_pair_of(const json_t *pair, const char *token) {
  const char *text = json_string_value(json_array_get(pair, 0));
  return text && strcmp(text, token) == 0;
}

gm_status gm_clip_vocabulary_from_json(gm_clip_vocabulary *out, const json_t *root,
                                       const char *pad_token, gm_error *err) {
  *out = (gm_clip_vocabulary){0};
  const json_t *vocab, *merges, *post = json_object_get(root, "post_processor");
  GM_TRY(want_parts(root, &vocab, &merges, err));
  if (!is_pair_of(json_object_get(post, "cls"), "<|startoftext|>") ||
      !is_pair_of(json_object_get(post, "sep"), "<|endoftext|>"))
    return gm_fail(err, GM_ERR_MODEL,
                   GM_TOKENIZER_JSON ": post_processor: wanted <|startoftext|> as \"cls\" and "
                                     "<|endoftext|> as \"sep\"");
  json_t *whole = NULL;
  gm_text text = {0};
  char *bytes = NULL;
  gm_status status = write_merges(&text, merges, err);
  if (status == GM_OK) status = whole_vocab(&whole, root, vocab, err);
  if (status == GM_OK && !(bytes = json_dumps(whole, JSON_COMPACT)))
    status = gm_fail_memory(err, "a vocabulary", json_object_size(vocab));
  if (status == GM_OK)
    status = gm_clip_vocabulary_from_files(out, bytes, strlen(bytes), text.bytes, text.length,
                                           pad_token, err);
  free(bytes);
  gm_text_free(&text);
  json_decref(whole);
  return status;
}

/* ---- LLaMA */

typedef struct llama_pieces {
  const json_t *vocab;
  size_t n;
  const char **names;
  float *scores;
  int32_t *types;
  uint32_t *merges; /* [n] how many merges make the piece */
} llama_pieces;

/* The id of text[0..length) below n, or SIZE_MAX. */
static size_t piece_id(const llama_pieces *p, const char *text, size_t length) {
  const json_t *id = json_object_getn(p->vocab, text, length);
  json_int_t at = json_integer_value(id);
  return json_is_integer(id) && at >= 0 && (size_t)at < p->n ? (size_t)at : SIZE_MAX;
}

static gm_status order_pieces(llama_pieces *p, gm_error *err) {
  const char *name;
  json_t *id;
  size_t found = 0;
  json_object_foreach((json_t *)(uintptr_t)p->vocab, name, id) {
    size_t at = piece_id(p, name, strlen(name));
    if (at == SIZE_MAX) continue; /* an added token */
    if (p->names[at] || !*name)
      return gm_fail(err, GM_ERR_MODEL,
                     GM_TOKENIZER_JSON ": model.vocab: \"%.80s\" has no id of its own", name);
    unsigned byte;
    int end = 0;
    p->names[at] = name;
    bool is_byte = sscanf(name, "<0x%2X>%n", &byte, &end) == 1 && end == 6 && !name[6];
    p->types[at] = is_byte ? GM_TOKEN_BYTE : GM_TOKEN_NORMAL;
    found++;
  }
  if (found == p->n) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 GM_TOKENIZER_JSON
                 ": model.vocab: found %zu ids below %zu, wanted every one of them",
                 found, p->n);
}

/* SentencePiece joins the pair whose joined piece has the highest score; tokenizers the pair
 * whose merge comes first. Both are the same if the merges of one piece are adjacent in the
 * list. */
static gm_status score_pieces(llama_pieces *p, const json_t *merges, gm_error *err) {
  char joined[2 * GM_SENTENCEPIECE_MAX_PIECE];
  size_t n = json_array_size(merges), last = SIZE_MAX;
  for (size_t i = 0; i < p->n; i++) p->scores[i] = -(float)n - 1;
  for (size_t i = 0; i < n; i++) {
    const char *left, *right;
    size_t n_left;
    if (!split_merge(json_array_get(merges, i), &left, &n_left, &right))
      return refuse_merge(i, err);
    size_t n_right = strlen(right);
    if (n_left + n_right >= sizeof joined) return refuse_merge(i, err);
    memcpy(joined, left, n_left);
    memcpy(joined + n_left, right, n_right);
    size_t id = piece_id(p, joined, n_left + n_right);
    if (id == SIZE_MAX || piece_id(p, left, n_left) == SIZE_MAX ||
        piece_id(p, right, n_right) == SIZE_MAX)
      return refuse_merge(i, err);
    if (id != last && p->merges[id])
      return gm_fail(err, GM_ERR_MODEL,
                     GM_TOKENIZER_JSON
                     ": model.merges[%zu]: the merges of \"%.60s\" do not stand "
                     "together, so that no scores of SentencePiece give them",
                     i, p->names[id]);
    if (id != last) p->scores[id] = -(float)i;
    p->merges[id]++;
    last = id;
  }
  return GM_OK;
}

/* Every way to make a piece of two others must be a merge, since SentencePiece allows them all.
 */
static gm_status check_merges(const llama_pieces *p, gm_error *err) {
  for (size_t i = 0; i < p->n; i++) {
    if (p->types[i] != GM_TOKEN_NORMAL) continue;
    const char *name = p->names[i];
    size_t length = strlen(name), ways = 0;
    for (size_t cut = 1; cut < length; cut++)
      ways += ((unsigned char)name[cut] & 0xC0) != 0x80 && piece_id(p, name, cut) != SIZE_MAX &&
              piece_id(p, name + cut, length - cut) != SIZE_MAX;
    if (ways != p->merges[i])
      return gm_fail(err, GM_ERR_MODEL,
                     GM_TOKENIZER_JSON
                     ": model.merges has %u for \"%.60s\", which %zu pairs of "
                     "pieces make; no scores of SentencePiece give that",
                     p->merges[i], name, ways);
  }
  return GM_OK;
}

/* Marks the piece as of the kind; returns its id, or -1 if there is none. */
static int32_t special_piece(llama_pieces *p, const char *name, gm_token_type type) {
  size_t id = piece_id(p, name, strlen(name));
  if (id == SIZE_MAX) return -1;
  p->types[id] = (int32_t)type;
  return (int32_t)id;
}

static gm_status fill_pieces(llama_pieces *p, const json_t *merges, gm_sentencepiece_model *out,
                             gm_error *err) {
  GM_TRY(order_pieces(p, err));
  out->unk_id = special_piece(p, "<unk>", GM_TOKEN_UNKNOWN);
  out->bos_id = special_piece(p, "<s>", GM_TOKEN_CONTROL);
  out->eos_id = special_piece(p, "</s>", GM_TOKEN_CONTROL);
  out->pad_id = -1;
  GM_TRY(score_pieces(p, merges, err));
  return check_merges(p, err);
}

gm_status gm_llama_pieces_from_json(gm_sentencepiece_model *out, const json_t *root, size_t n,
                                    gm_error *err) {
  const json_t *merges;
  llama_pieces p = {.n = n};
  *out = (gm_sentencepiece_model){0};
  GM_TRY(want_parts(root, &p.vocab, &merges, err));
  if (json_is_null(json_object_get(root, "normalizer")) ==
      json_is_null(json_object_get(root, "pre_tokenizer")))
    return gm_fail(err, GM_ERR_MODEL,
                   GM_TOKENIZER_JSON
                   ": wanted a normalizer or a pre_tokenizer, one of them, to "
                   "put a space in front of the text");
  if (n == 0 || n > GM_SENTENCEPIECE_MAX_PIECES)
    return gm_fail(err, GM_ERR_MODEL, GM_TOKENIZER_JSON ": found %zu pieces, wanted 1 to %d", n,
                   (int)GM_SENTENCEPIECE_MAX_PIECES);
  p.names = calloc(n, sizeof *p.names);
  p.scores = calloc(n, sizeof *p.scores);
  p.types = calloc(n, sizeof *p.types);
  p.merges = calloc(n, sizeof *p.merges);
  gm_status status = p.names && p.scores && p.types && p.merges
                         ? fill_pieces(&p, merges, out, err)
                         : gm_fail_memory(err, "a vocabulary", n * 32);
  free(p.merges);
  out->n = n;
  out->pieces = p.names;
  out->scores = p.scores;
  out->types = p.types;
  out->kind = GM_SENTENCEPIECE_BPE;
  out->byte_fallback = out->add_dummy_prefix = out->escape_whitespaces = true;
  if (status != GM_OK) gm_sentencepiece_free(out);
  return status;
}

/* ---- lists of tokens */

typedef struct list_check {
  gm_token_lookup *lookup;
  const void *vocabulary;
  const char *file, *path;
} list_check;

static gm_status check_token(const list_check *c, const json_t *token, int64_t id,
                             gm_error *err) {
  const json_t *content = json_is_object(token) ? json_object_get(token, "content") : token;
  const char *text = json_string_value(content);
  if (!text)
    return gm_fail(err, GM_ERR_MODEL, "%s: %s: wanted tokens, or objects with \"content\"",
                   c->file, c->path);
  int64_t found = c->lookup(c->vocabulary, text);
  if (found >= 0 && (id < 0 || id == found)) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: %s: the token \"%.60s\" is not in the model's vocabulary%s", c->file,
                 c->path, text, found >= 0 ? " with this id" : "");
}

/* A list of tokens, or an object of them. */
static gm_status check_list(const list_check *c, const json_t *list, gm_error *err) {
  const char *key;
  json_t *value;
  for (size_t i = 0; i < json_array_size(list); i++)
    GM_TRY(check_token(c, json_array_get(list, i), -1, err));
  json_object_foreach((json_t *)(uintptr_t)list, key, value)
      GM_TRY(check_token(c, value, -1, err));
  if (!list || json_is_array(list) || json_is_object(list) || json_is_null(list)) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL, "%s: %s: wanted a list of tokens", c->file, c->path);
}

/* {"token": id} */
static gm_status check_ids(const list_check *c, const json_t *ids, gm_error *err) {
  const char *token;
  json_t *id;
  json_object_foreach((json_t *)(uintptr_t)ids, token, id) {
    int64_t found = c->lookup(c->vocabulary, token);
    if (!json_is_integer(id) || found < 0 || found != json_integer_value(id))
      return gm_fail(err, GM_ERR_MODEL,
                     "%s: %s\"%.60s\" is not in the model's vocabulary with this id", c->file,
                     c->path, token);
  }
  return GM_OK;
}

gm_status gm_check_listed_tokens(const gm_configs *configs, gm_token_lookup *lookup,
                                 const void *vocabulary, gm_error *err) {
  static const char *const lists[][2] = {
      {GM_TOKENIZER_CONFIG, "extra_special_tokens"},
      {GM_TOKENIZER_CONFIG, "additional_special_tokens"},
      {GM_SPECIAL_TOKENS, "additional_special_tokens"},
  };
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    const json_t *root = gm_configs_root(configs, lists[i][0]);
    list_check c = {lookup, vocabulary, lists[i][0], lists[i][1]};
    GM_TRY(check_list(&c, root ? json_object_get(root, lists[i][1]) : NULL, err));
  }
  list_check added = {lookup, vocabulary, GM_ADDED_TOKENS, ""};
  GM_TRY(check_ids(&added, gm_configs_root(configs, GM_ADDED_TOKENS), err));
  const json_t *root = gm_configs_root(configs, GM_TOKENIZER_CONFIG);
  json_t *ids = NULL;
  list_check decoder = {lookup, vocabulary, GM_TOKENIZER_CONFIG, "added_tokens_decoder: "};
  gm_status status = root ? gm_added_tokens_from_decoder(&ids, root, err) : GM_OK;
  if (status == GM_OK) status = check_ids(&decoder, ids, err);
  json_decref(ids);
  return status;
}
