/* packs.c - see packs.h. */
#include "packs.h"

#include "checked.h"
#include "model_file_bytes.h"
#include "sha256.h"
#include "sizes.h"
#include "sum64.h"
#include "tensor_names.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 64, ENTRY = 48, SUM = 8, ALIGN = 4096, PRINT_COLUMNS = 512 };

static const char kind[] = "panels";
static const char magic[8] = "GMPANEL\2";

typedef struct packed_tensor {
  const gm_tensor *w;
  const gm_matmul *mm;
  size_t bytes;       /* of w */
  size_t panel_bytes; /* of one panel */
  size_t n_panels;
  size_t at; /* offset in the file */
} packed_tensor;

struct gm_packs {
  const gm_model_file *file;
  gm_cache_dir *dir;
  packed_tensor *tensors; /* in the order of their weights' addresses */
  size_t n, size;         /* size: of the file */
  unsigned char *head;    /* head and directory as they have to be */
  size_t head_bytes;
  unsigned char *sums; /* [n] of 8 bytes, as they stand behind the directory: room for them */
  char key[65];
  bool tried;
  gm_mapping mapping; /* data NULL: not there */
};

/* ---- what belongs into the file ---- */

static bool wanted(const gm_kernels *kernels, const gm_tensor *w, const char *name,
                   const char *prefix) {
  char upstream[GM_GGUF_NAME_SIZE + 64];
  gm_tensor_upstream_name(name, upstream, sizeof upstream);
  return w->n_dims == 2 && kernels->keep_panels[w->type] &&
         strncmp(upstream, prefix, strlen(prefix)) == 0;
}

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)((const packed_tensor *)a)->w->data;
  uintptr_t y = (uintptr_t)((const packed_tensor *)b)->w->data;
  return (x > y) - (x < y);
}

/* Lists the tensors and lays the file out; false if a size wraps. */
static bool lay_out(gm_packs *p, const gm_kernels *kernels, const char *prefix) {
  for (size_t i = 0; i < gm_model_file_n_tensors(p->file); i++) {
    const char *name;
    const gm_tensor *w = gm_model_file_tensor_at(p->file, i, &name);
    if (!wanted(kernels, w, name, prefix)) continue;
    const gm_matmul *mm = kernels->matmul[w->type];
    p->tensors[p->n++] = (packed_tensor){.w = w,
                                         .mm = mm,
                                         .bytes = gm_tensor_rows(w) * w->row_bytes,
                                         .n_panels = gm_ceil_div(gm_tensor_rows(w), mm->nr)};
  }
  qsort(p->tensors, p->n, sizeof *p->tensors, by_address);
  p->head_bytes = HEAD + p->n * ENTRY;
  p->size = p->head_bytes + p->n * SUM;
  for (size_t i = 0; i < p->n; i++) {
    packed_tensor *t = &p->tensors[i];
    size_t all, chunks = gm_ceil_div(gm_tensor_cols(t->w), t->mm->chunk);
    if (!gm_mul_size(chunks, t->mm->w_chunk_bytes * t->mm->nr, &t->panel_bytes) ||
        !gm_mul_size(t->panel_bytes, t->n_panels, &all) ||
        !gm_align_size(p->size, ALIGN, &t->at) || !gm_add_size(t->at, all, &p->size))
      return false;
  }
  return true;
}

/* ---- head and key ---- */

static void put(unsigned char *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static void write_directory(gm_packs *p) {
  size_t size;
  const unsigned char *bytes = gm_model_file_bytes(p->file, &size);
  unsigned char *at = p->head + HEAD;
  for (size_t i = 0; i < p->n; i++, at += ENTRY) {
    const packed_tensor *t = &p->tensors[i];
    put(at, (uint64_t)((const unsigned char *)t->w->data - bytes), 8);
    put(at + 8, gm_tensor_rows(t->w), 8);
    put(at + 16, gm_tensor_cols(t->w), 8);
    put(at + 24, t->w->type, 4);
    put(at + 28, t->mm->nr, 4);
    put(at + 32, t->at, 8);
    put(at + 40, t->panel_bytes * t->n_panels, 8);
  }
}

/* A panel of a fixed matrix: another layout, or other rounding, makes another. */
static bool add_print(gm_sha256_state *sha, const gm_matmul *mm, gm_type type) {
  size_t row_bytes = gm_type_row_bytes(type, PRINT_COLUMNS), rows = row_bytes * mm->nr;
  size_t panel_bytes = gm_ceil_div(PRINT_COLUMNS, mm->chunk) * mm->w_chunk_bytes * mm->nr;
  unsigned char *w = malloc(rows);
  size_t whole = (panel_bytes + ALIGN - 1) / ALIGN * ALIGN;
  unsigned char *panel = aligned_alloc(ALIGN, whole);
  bool ok = w && panel;
  if (ok) {
    memset(panel, 0, whole);
    for (size_t i = 0; i < rows; i++) w[i] = (unsigned char)(i * 29 % 61);
    mm->pack_w(panel, w, row_bytes, mm->nr, PRINT_COLUMNS);
    gm_sha256_add(sha, panel, panel_bytes);
  }
  free(w);
  free(panel);
  return ok;
}

static bool make_key(gm_packs *p, const gm_kernels *kernels) {
  gm_sha256_state sha;
  size_t size;
  const void *bytes = gm_model_file_bytes(p->file, &size);
  int64_t mtime = gm_model_file_mapping(p->file)->mtime_ns;
  gm_sha256_begin(&sha);
  gm_sha256_add(&sha, magic, sizeof magic);
  gm_sha256_add(&sha, &size, sizeof size);
  gm_sha256_add(&sha, &mtime, sizeof mtime);
  gm_sha256_add(&sha, bytes, gm_model_file_gguf(p->file)->data_begin);
  gm_sha256_add(&sha, kernels->name, strlen(kernels->name) + 1);
  gm_sha256_add(&sha, kernels->features, strlen(kernels->features) + 1);
  for (size_t i = 0; i < p->n; i++)
    if ((i == 0 || p->tensors[i].mm != p->tensors[i - 1].mm) &&
        !add_print(&sha, p->tensors[i].mm, p->tensors[i].w->type))
      return false;
  gm_sha256_add(&sha, p->head + HEAD, p->head_bytes - HEAD);
  gm_sha256_end(&sha, p->key);
  return true;
}

static void write_head(gm_packs *p) {
  memcpy(p->head, magic, sizeof magic);
  put(p->head + 8, p->size, 8);
  put(p->head + 16, p->n, 8);
  put(p->head + 24, gm_sum64(p->head + HEAD, p->head_bytes - HEAD), 8);
  (void)gm_sha256_bytes(p->key, p->head + 32);
}

static gm_status describe(gm_packs *p, const gm_kernels *kernels, const char *prefix,
                          gm_error *err) {
  size_t most = gm_model_file_n_tensors(p->file);
  p->tensors = calloc(most ? most : 1, sizeof *p->tensors);
  if (!p->tensors) return gm_fail_memory(err, "the panels", most * sizeof *p->tensors);
  if (!lay_out(p, kernels, prefix)) p->n = 0; /* no such model fits into memory anyway */
  if (p->n == 0) return GM_OK;
  p->head = calloc(1, p->head_bytes);
  p->sums = calloc(p->n, SUM);
  if (!p->head || !p->sums) return gm_fail_memory(err, "the panels", p->head_bytes);
  write_directory(p);
  if (!make_key(p, kernels)) return gm_fail_memory(err, "the panels", ALIGN);
  write_head(p);
  return GM_OK;
}

gm_status gm_packs_create(gm_packs **out, const gm_model_file *file, const char *prefix,
                          const gm_kernels *kernels, gm_cache_dir *dir, gm_error *err) {
  *out = NULL;
  if (!gm_model_file_mapping(file)) return GM_OK;
  gm_packs *p = calloc(1, sizeof *p);
  if (!p) return gm_fail_memory(err, "the panels", sizeof *p);
  p->file = file;
  p->dir = dir;
  gm_status status = describe(p, kernels, prefix, err);
  if (status == GM_OK && p->n > 0)
    *out = p;
  else
    gm_packs_free(p);
  return status;
}

void gm_packs_free(gm_packs *packs) {
  if (!packs) return;
  if (packs->mapping.data) gm_unmap(&packs->mapping);
  free(packs->tensors);
  free(packs->head);
  free(packs->sums);
  free(packs);
}

/* ---- the file ---- */

typedef struct summing {
  const gm_packs *packs;
  const unsigned char *bytes; /* of the file */
} summing;

static void sum_tensor(void *arg, size_t tensor, size_t worker) {
  const summing *s = arg;
  const packed_tensor *t = &s->packs->tensors[tensor];
  (void)worker;
  put(s->packs->sums + tensor * SUM, gm_sum64(s->bytes + t->at, t->panel_bytes * t->n_panels),
      SUM);
}

static void sum_panels(const gm_packs *p, const unsigned char *bytes, gm_pool *pool) {
  summing s = {p, bytes};
  gm_pool_run(pool, sum_tensor, &s, p->n);
}

const char *gm_packs_fault(const gm_packs *p, const void *bytes, size_t size, gm_pool *pool) {
  if (size != p->size) return GM_REFUSED_SIZE;
  if (memcmp(bytes, p->head, p->head_bytes) != 0) return GM_REFUSED_HEAD;
  sum_panels(p, bytes, pool);
  bool same = memcmp((const unsigned char *)bytes + p->head_bytes, p->sums, p->n * SUM) == 0;
  return same ? NULL : GM_REFUSED_SUM;
}

const char *gm_packs_key(const gm_packs *packs) {
  return packs->key;
}

static bool open_file(gm_packs *p, gm_pool *pool) {
  if (!gm_cache_dir_map(p->dir, p->key, kind, &p->mapping)) return false;
  const char *fault = gm_packs_fault(p, p->mapping.data, p->mapping.size, pool);
  if (!fault) {
    gm_cache_dir_used(p->dir, p->key, kind);
    return true;
  }
  gm_cache_dir_refuse(p->dir, p->key, kind, fault);
  gm_unmap(&p->mapping);
  return false;
}

typedef struct making {
  const packed_tensor *tensor;
  unsigned char *panels;
} making;

static void make_panel(void *arg, size_t panel, size_t worker) {
  const making *m = arg;
  const packed_tensor *t = m->tensor;
  (void)worker;
  size_t row = panel * t->mm->nr, rows = gm_tensor_rows(t->w) - row;
  unsigned char *to = m->panels + panel * t->panel_bytes;
  /* The rest of a chunk that the columns don't fill is nobody's, but goes to the file. */
  if (gm_tensor_cols(t->w) % t->mm->chunk != 0) memset(to, 0, t->panel_bytes);
  t->mm->pack_w(to, (const unsigned char *)t->w->data + row * t->w->row_bytes, t->w->row_bytes,
                rows < t->mm->nr ? rows : t->mm->nr, gm_tensor_cols(t->w));
}

static void make_file(gm_packs *p, gm_pool *pool) {
  size_t whole;
  if (!gm_cache_dir_has_room(p->dir, p->size) || !gm_align_size(p->size, ALIGN, &whole)) return;
  unsigned char *bytes = aligned_alloc(ALIGN, whole);
  if (!bytes) return;
  memset(bytes, 0, p->tensors[0].at);
  memcpy(bytes, p->head, p->head_bytes);
  for (size_t i = 0; i < p->n; i++) {
    const packed_tensor *t = &p->tensors[i];
    size_t end = t->at + t->panel_bytes * t->n_panels;
    making m = {t, bytes + t->at};
    gm_pool_run(pool, make_panel, &m, t->n_panels);
    memset(bytes + end, 0, (i + 1 < p->n ? p->tensors[i + 1].at : p->size) - end);
    size_t offset =
        (size_t)((const unsigned char *)t->w->data - gm_model_file_mapping(p->file)->data);
    gm_mapping_drop(gm_model_file_mapping(p->file), offset, t->bytes);
  }
  sum_panels(p, bytes, pool);
  memcpy(bytes + p->head_bytes, p->sums, p->n * SUM);
  const gm_cache_piece piece = {bytes, p->size};
  gm_cache_dir_store(p->dir, p->key, kind, &piece, 1);
  free(bytes);
}

void gm_packs_prepare(gm_packs *packs, gm_pool *pool) {
  if (!packs || packs->tried) return;
  packs->tried = true;
  if (open_file(packs, pool)) return;
  make_file(packs, pool);
  (void)open_file(packs, pool);
}

const unsigned char *gm_packs_find(const gm_packs *packs, const gm_tensor *w,
                                   const gm_matmul *mm) {
  if (!packs || !packs->mapping.data) return NULL;
  uintptr_t at = (uintptr_t)w->data;
  size_t low = 0, high = packs->n; /* the last tensor that does not begin behind w */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if ((uintptr_t)packs->tensors[middle].w->data <= at)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return NULL;
  const packed_tensor *t = &packs->tensors[low - 1];
  size_t offset = at - (uintptr_t)t->w->data, panel = t->mm->nr * t->w->row_bytes;
  if (t->mm != mm || offset >= t->bytes || offset % panel != 0 ||
      w->row_bytes != t->w->row_bytes)
    return NULL;
  return packs->mapping.data + t->at + offset / panel * t->panel_bytes;
}

void gm_packs_release(const gm_packs *packs) {
  if (packs && packs->mapping.data) gm_mapping_drop(&packs->mapping, 0, packs->mapping.size);
}
