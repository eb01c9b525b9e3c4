/* panel_file.c - see panel_file.h. The version comes first in what is hashed: it changes with
 * anything that changes a file but nothing else of the key. */
#include "panel_file.h"

#include "checked.h"
#include "model_file_bytes.h"
#include "sha256.h"
#include "sizes.h"
#include "tensor_names.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "gromatic panels 3"

enum { ALIGN = 4096, PRINT_COLUMNS = 512 };

static const gm_cache_kind kind = {.name = "panels", .body_at = ALIGN};

struct gm_panel_file {
  const gm_model_file *model;
  gm_cache_dir *dir;
  gm_panels panels;
  size_t *at;  /* [panels.n]: where each tensor's panels begin in the body */
  size_t body; /* bytes */
  char key[65];
  pthread_mutex_t lock; /* guards the rest, and panels' pointers until they are set */
  bool tried;
  gm_mapping mapping; /* data NULL: not there */
};

/* ---- what belongs into the file ---- */

/* A tensor of a view may be anywhere, and differ the next time. */
static bool is_mapped(const gm_model_file *model, const gm_tensor *w) {
  const gm_mapping *m = gm_model_file_mapping(model);
  uintptr_t at = (uintptr_t)w->data, begin = (uintptr_t)m->data;
  return at >= begin && at - begin < m->size;
}

static bool is_kept(const gm_kernels *kernels, const gm_tensor *w, const char *name,
                    const char *prefix) {
  char upstream[GM_GGUF_NAME_SIZE + 64];
  gm_tensor_upstream_name(name, upstream, sizeof upstream);
  return w->n_dims == 2 && kernels->keep_panels[w->type] &&
         strncmp(upstream, prefix, strlen(prefix)) == 0;
}

/* Lists the tensors and lays the body out; false if a size wraps. */
static bool lay_out(gm_panel_file *f, const gm_kernels *kernels, const char *prefix) {
  gm_panels *p = &f->panels;
  for (size_t i = 0; i < gm_model_file_n_tensors(f->model); i++) {
    const char *name;
    const gm_tensor *w = gm_model_file_tensor_at(f->model, i, &name);
    if (!is_kept(kernels, w, name, prefix) || !is_mapped(f->model, w)) continue;
    if (!gm_tensor_panels_of(w, kernels->matmul[w->type], &p->tensors[p->n++])) return false;
  }
  gm_panels_sort(p);
  for (size_t i = 0; i < p->n; i++)
    if (!gm_align_size(f->body, ALIGN, &f->at[i]) ||
        !gm_add_size(f->at[i], p->tensors[i].n * p->tensors[i].panel_bytes, &f->body))
      return false;
  return true;
}

/* ---- the key ---- */

/* A panel of a fixed matrix: another layout, or other rounding, makes another. */
static bool add_print(gm_sha256_state *sha, const gm_matmul *mm, gm_type type) {
  size_t row_bytes = gm_type_row_bytes(type, PRINT_COLUMNS), rows = row_bytes * mm->nr;
  size_t panel_bytes = gm_ceil_div(PRINT_COLUMNS, mm->chunk) * mm->w_chunk_bytes * mm->nr;
  unsigned char *w = malloc(rows);
  size_t whole = gm_ceil_div(panel_bytes, ALIGN) * ALIGN;
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

static size_t offset_in_model(const gm_panel_file *f, const gm_tensor *w) {
  return (size_t)((const unsigned char *)w->data - gm_model_file_mapping(f->model)->data);
}

static void add_places(gm_sha256_state *sha, const gm_panel_file *f) {
  for (size_t i = 0; i < f->panels.n; i++) {
    const gm_tensor_panels *t = &f->panels.tensors[i];
    gm_sha256_add_number(sha, offset_in_model(f, t->w));
    gm_sha256_add_number(sha, gm_tensor_rows(t->w));
    gm_sha256_add_number(sha, gm_tensor_cols(t->w));
    gm_sha256_add_number(sha, t->w->type);
    gm_sha256_add_number(sha, t->mm->nr);
    gm_sha256_add_number(sha, f->at[i]);
    gm_sha256_add_number(sha, t->n * t->panel_bytes);
  }
}

/* Levels that make the same panels (VNNI, AMX) share a file. */
static bool make_key(gm_panel_file *f) {
  gm_sha256_state sha;
  const gm_mapping *model = gm_model_file_mapping(f->model);
  const gm_tensor_panels *tensors = f->panels.tensors;
  gm_sha256_begin(&sha);
  gm_sha256_add_text(&sha, VERSION);
  gm_sha256_add_number(&sha, model->size);
  gm_sha256_add_number(&sha, (uint64_t)model->mtime_ns);
  gm_sha256_add(&sha, model->data, gm_model_file_gguf(f->model)->data_begin);
  for (size_t i = 0; i < f->panels.n; i++)
    if ((i == 0 || tensors[i].mm != tensors[i - 1].mm) &&
        !add_print(&sha, tensors[i].mm, tensors[i].w->type))
      return false;
  add_places(&sha, f);
  gm_sha256_end(&sha, f->key);
  return true;
}

static gm_status describe(gm_panel_file *f, const gm_kernels *kernels, const char *prefix,
                          gm_error *err) {
  size_t most = gm_model_file_n_tensors(f->model);
  f->panels.tensors = calloc(most ? most : 1, sizeof *f->panels.tensors);
  f->at = calloc(most ? most : 1, sizeof *f->at);
  if (!f->panels.tensors || !f->at)
    return gm_fail_memory(err, "the panels", most * sizeof *f->panels.tensors);
  if (!lay_out(f, kernels, prefix)) f->panels.n = 0; /* no such model fits into memory anyway */
  if (f->panels.n == 0) return GM_OK;
  return make_key(f) ? GM_OK : gm_fail_memory(err, "the panels", ALIGN);
}

gm_status gm_panel_file_create(gm_panel_file **out, const gm_model_file *model,
                               const char *prefix, const gm_kernels *kernels, gm_cache_dir *dir,
                               gm_error *err) {
  *out = NULL;
  if (!gm_model_file_mapping(model)) return GM_OK;
  gm_panel_file *f = calloc(1, sizeof *f);
  if (!f) return gm_fail_memory(err, "the panels", sizeof *f);
  pthread_mutex_init(&f->lock, NULL);
  f->model = model;
  f->dir = dir;
  gm_status status = describe(f, kernels, prefix, err);
  if (status == GM_OK && f->panels.n > 0)
    *out = f;
  else
    gm_panel_file_free(f);
  return status;
}

void gm_panel_file_free(gm_panel_file *file) {
  if (!file) return;
  if (file->mapping.data) gm_unmap(&file->mapping);
  pthread_mutex_destroy(&file->lock);
  free(file->panels.tensors);
  free(file->at);
  free(file);
}

const char *gm_panel_file_key(const gm_panel_file *file) {
  return file->key;
}

/* ---- the file ---- */

static bool open_file(gm_panel_file *f, gm_pool *pool) {
  if (!gm_cache_entry_map(f->dir, &kind, f->key, f->body, pool, NULL, &f->mapping))
    return false;
  for (size_t i = 0; i < f->panels.n; i++)
    f->panels.tensors[i].panels = f->mapping.data + kind.body_at + f->at[i];
  assert((uintptr_t)f->panels.tensors[0].panels % ALIGN == 0);
  return true;
}

static void make_file(gm_panel_file *f, gm_pool *pool) {
  size_t whole, end = 0;
  if (!gm_cache_dir_has_room(f->dir, kind.body_at + f->body) ||
      !gm_align_size(f->body, ALIGN, &whole))
    return;
  unsigned char *body = aligned_alloc(ALIGN, whole);
  if (!body) return;
  for (size_t i = 0; i < f->panels.n; i++) {
    const gm_tensor_panels *t = &f->panels.tensors[i];
    assert(f->at[i] >= end && f->at[i] % ALIGN == 0);
    memset(body + end, 0, f->at[i] - end);
    gm_tensor_panels_make(t, body + f->at[i], pool);
    end = f->at[i] + t->n * t->panel_bytes;
    gm_mapping_drop(gm_model_file_mapping(f->model), offset_in_model(f, t->w),
                    gm_tensor_rows(t->w) * t->w->row_bytes);
  }
  assert(end == f->body);
  const gm_cache_part part = {.at = body, .size = f->body};
  gm_cache_entry_store(f->dir, &kind, f->key, &part, 1, pool, NULL);
  free(body);
}

const gm_panels *gm_panel_file_panels(gm_panel_file *file, gm_pool *pool) {
  if (!file) return NULL;
  pthread_mutex_lock(&file->lock);
  if (!file->tried && !open_file(file, pool)) {
    make_file(file, pool);
    (void)open_file(file, pool);
  }
  file->tried = true;
  bool there = file->mapping.data != NULL;
  pthread_mutex_unlock(&file->lock);
  return there ? &file->panels : NULL;
}

void gm_panel_file_release(const gm_panel_file *file) {
  if (file && file->mapping.data) gm_mapping_drop(&file->mapping, 0, file->mapping.size);
}
