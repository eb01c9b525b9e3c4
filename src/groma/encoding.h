/* encoding.h - one image as the language model sees it: its regions with their vectors, and
 * the cache of the prompt's beginning, which every question about it shares.
 *
 *   positions   [ <s> ... Image: image tokens . Regions: ][ <r0> v0 <r1> v1 ... ][ . ... </s> ]
 *                 the same whatever is asked                list of regions         tail
 *
 * A referred box changes the list, and with it all positions from the first region that
 * differs. Work is done when it is first needed and never twice: regions' vectors are kept by
 * box. One thread at a time. */
#ifndef GM_ENCODING_H
#define GM_ENCODING_H

#include "groma.h"
#include "scene_cache.h"
#include "watch.h"

/* Region i of a list is <ri>. vector [dim] is NULL until gm_pipeline_prepare. */
typedef struct gm_listed_region {
  gm_rel_box box;
  float score;
  const float *vector; /* lives as long as the encoding */
} gm_listed_region;

/* At most groma->max_regions. */
typedef struct gm_region_list {
  gm_listed_region *regions;
  size_t n;
} gm_region_list;

typedef struct gm_encoding_settings {
  gm_region_rule rule;
  const gm_rel_box *boxes; /* [n_boxes] candidates instead of the proposer's; NULL: propose */
  const float *scores;     /* [n_boxes] */
  size_t n_boxes;
  bool append;                 /* referred boxes go after the list instead of into the choice */
  uint64_t shuffle_seed;       /* 0: regions in falling score */
  const gm_scene_cache *cache; /* where results are kept between runs; NULL: nowhere */
} gm_encoding_settings;

/* Entries of the cache that most questions about an image want. */
typedef enum gm_encoding_entry {
  GM_ENTRY_FEATURES,
  GM_ENTRY_MAPS,
  GM_ENTRY_VECTORS,
  GM_ENTRY_PREFIX,
  GM_ENTRIES
} gm_encoding_entry;

typedef struct gm_encoding {
  const gm_groma *groma;
  gm_watch *watch;
  const gm_scene_cache *cache;  /* NULL: none */
  char entries[GM_ENTRIES][65]; /* their keys in the cache; empty: not wanted yet */
  gm_region_rule rule;
  bool proposes; /* the candidates are the proposer's */
  bool append;
  uint64_t shuffle_seed;
  gm_features *features;
  bool fused;
  gm_rel_box *candidates; /* [n_candidates] */
  float *scores;
  size_t n_candidates;
  gm_region_list base; /* the regions while no box is referred to */
  struct gm_known_region *known;
  bool base_sought; /* the base list's vectors were looked for in the cache */
  gm_kv_seq prefix; /* the positions above, as many as are computed */
  size_t n_image;   /* positions before the first region */
  bool preparing;   /* what questions need is being computed */
} gm_encoding;

/* An encoding of which nothing is computed yet. The settings are copied, with boxes and scores;
 * groma, watch and cache must outlive it. Errors: GM_ERR_MEMORY. */
gm_status gm_encoding_create(gm_encoding **out, const gm_groma *groma,
                             const gm_encoding_settings *settings, gm_watch *watch,
                             gm_error *err);
void gm_encoding_free(gm_encoding *encoding);
/* Memory that the encoding takes now, pages of files counted. */
size_t gm_encoding_bytes(const gm_encoding *encoding);

/* The list for a question that refers to n boxes; index[b] becomes the region that stands for
 * box b. Equal to the base list where n is 0. Free with gm_region_list_free. Errors:
 * GM_ERR_ARGUMENT (more boxes than region tokens), GM_ERR_MEMORY. */
gm_status gm_encoding_refer(const gm_encoding *encoding, const gm_rel_box *boxes, size_t n,
                            gm_region_list *out, size_t *index, gm_error *err);
/* Appends n more boxes to a list that is in use, without moving a region: a box that is there
 * already keeps its index; where the region tokens are all taken, the last region for which
 * in_use[i] is false gives up its place. in_use [max_regions] is updated. *first_changed
 * becomes the first index whose region is new (list->n before if none). GM_ERR_ARGUMENT where
 * no place is left, with the boxes before in the list. */
gm_status gm_encoding_append(const gm_encoding *encoding, gm_region_list *list,
                             const gm_rel_box *boxes, size_t n, bool *in_use, size_t *index,
                             size_t *first_changed, gm_error *err);
void gm_region_list_free(gm_region_list *list);

/* Whether a question without boxes finds all that it needs. */
bool gm_encoding_ready(const gm_encoding *encoding);

/* ---- for pipeline.c ---- */

/* find: whether the cache has the features of pixels[3, S, S]; if so, they are filled in, bit
 * by bit as they would be computed. keep puts computed ones into the cache. */
bool gm_encoding_find_features(gm_encoding *encoding, const float *pixels);
void gm_encoding_keep_features(gm_encoding *encoding, gm_compute *c);
/* Chooses the base list from the proposals, or from the boxes of the settings. GM_ERR_MEMORY.
 */
gm_status gm_encoding_choose(gm_encoding *encoding, gm_error *err);

/* A piece of the prefix: up to the first region, or to its end, with the base list. */
typedef enum gm_prefix_part { GM_PREFIX_NONE, GM_PREFIX_IMAGE, GM_PREFIX_WHOLE } gm_prefix_part;

typedef struct gm_prefix_work {
  gm_rows rows;
  gm_llama_run run; /* n 0: the cache had all of them */
  bool kept;        /* in the cache, once computed */
} gm_prefix_work;

/* begin makes the rows that the prefix lacks, or finds their keys and values in the cache; the
 * base list has its vectors where the whole is wanted. end keeps what was computed, unless
 * status is an error, and frees the work; it is to be called in any case and returns status.
 * Errors: GM_ERR_CONTEXT_FULL, GM_ERR_MEMORY. */
gm_status gm_prefix_begin(gm_prefix_work *work, gm_compute *c, gm_encoding *encoding,
                          bool whole);
gm_status gm_prefix_end(gm_prefix_work *work, gm_compute *c, gm_encoding *encoding,
                        gm_status status);

/* Positions of the image part, a list and the tail. */
size_t gm_encoding_positions(const gm_encoding *encoding, const gm_region_list *list);
/* Keys and values of a list of its own and of the tail, in the cache: find puts them after
 * those of seq, which has the positions before them from the encoding's prefix, keep stores
 * them from seq, where they are one piece from `first` on (gm_kv_reserve_piece). GM_ERR_MEMORY.
 */
gm_status gm_encoding_find_list(const gm_encoding *encoding, gm_compute *c,
                                const gm_region_list *list, gm_kv_seq *seq, bool *found);
gm_status gm_encoding_keep_list(const gm_encoding *encoding, gm_compute *c,
                                const gm_region_list *list, const gm_kv_seq *seq, size_t first);

#endif
