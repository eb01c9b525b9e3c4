/* linear.c - matrix products of activations with weights of any type, and rows of a table.
 *
 * GM_WAY_STEP: the activations are packed once, then each thread goes through a stretch of the
 * rows of w (gemv), which stays in its second cache while all activations pass. GM_WAY_READ: in
 * slabs of activations that stay in the last-level cache; a slab is packed once for all outputs
 * that want the same packing, then threads take blocks of y of up to BLOCK_PANELS panels: they
 * unpack their columns' weights to panels and run all their tiles over them. Where not even one
 * panel of all of k fits, a block has at most BLOCK_ROWS rows, and k is cut: the sums wait in
 * scratch for the next cut. Panels that lie ready (panels.h) are taken as they are. While a
 * thread multiplies, it asks for the weights that it unpacks next. Where unpacking costs
 * little, each thread keeps to its share of the rows, whatever the product: it finds in its own
 * caches what it wrote before.
 *
 * Where a matrix has a low-rank pair, x a^T and then the pair's share of y are products of
 * their own, before the slab's; the share is added to the sums before bias and activation.
 *
 * An element's value depends neither on the number of threads nor on m. The two ways differ in
 * the order of sums and, where the kernels round weights of that type or hold a tile's numbers
 * in another form than a row's (gm_tile_form), in the rounding of the factors. */
#include "ops.h"

#include "sizes.h"

#include <assert.h>

enum {
  GEMV_BYTES = 64 << 10,   /* of weights in a task; a thread's tasks are neighbours */
  SLAB_BYTES = 16 << 20,   /* of packed activations */
  PANEL_BYTES = 288 << 10, /* of weights unpacked at once by a thread: half of a small L2 */
  BLOCK_PANELS = 4,
  BLOCK_ROWS = 512,  /* most, where k is cut */
  SHARE_ROWS = 256,  /* least of a thread that keeps to its rows and unpacks all weights */
  LEAST_ROWS = 192,  /* of a block that is there to give every thread something to do */
  WORKER_BLOCKS = 8, /* blocks that a thread wants: the last ones end at about the same time */
  LITTLE_ROWS = 8,   /* of a step that one thread packs */
  LINE = 64          /* bytes that a request for weights brings */
};

/* One output's share of a job. */
typedef struct linear_part {
  const gm_linear_out *out;
  const gm_matmul *mm;
  const unsigned char *x; /* packed activations */
  size_t n, k;
  size_t first_task, row_blocks; /* in a share of the rows */
  size_t columns;                /* of a task: rows of w */
  size_t cut;                    /* of k: elements unpacked at once */
  const unsigned char *panels;   /* all of them, where they are kept; else NULL */
  const float *share;            /* [m, n] of the slab: of the low-rank pair; or NULL */
} linear_part;

typedef struct linear_job {
  const gm_kernels *kernels;
  linear_part *parts;
  size_t n_parts;
  bool step;
  size_t first_row, m;            /* the slab's rows */
  size_t row_shares, share_tasks; /* of rows: tasks of each lie together */
  size_t workers, tasks;
  unsigned char *scratch;
  size_t scratch_bytes; /* per worker */
} linear_job;

typedef struct pack_job {
  const gm_matmul *mm;
  unsigned char *packed;
  const float *x;
  size_t ldx, m, group, k;
} pack_job;

static size_t workers_of(const gm_compute *c) {
  return c->pool ? gm_pool_threads(c->pool) : 1;
}

/* Bytes of one packed row of activations, in tiles of `group` rows or alone. */
static size_t packed_row_bytes(const gm_matmul *mm, size_t group, size_t k) {
  return gm_ceil_div(k, mm->chunk) * (group == 1 ? mm->row_chunk_bytes : mm->x_chunk_bytes);
}

static const linear_part *part_of(const linear_job *job, size_t task) {
  size_t i = 0, in_share = task % job->share_tasks;
  while (i + 1 < job->n_parts && in_share >= job->parts[i + 1].first_task) i++;
  return &job->parts[i];
}

static void finish(const linear_job *job, const linear_part *part, size_t row, size_t column,
                   float *acc, size_t ld_acc, size_t rows, size_t columns) {
  const gm_linear_out *out = part->out;
  for (size_t i = 0; part->share && i < rows; i++) {
    const float *share = part->share + (row + i) * part->n + column;
    for (size_t j = 0; j < columns; j++) acc[i * ld_acc + j] += share[j];
  }
  gm_epilogue e = {out->bias ? out->bias + column : NULL,
                   out->scale ? out->scale + column : NULL, out->act, out->accumulate};
  float *y = out->y + (job->first_row + row) * out->ldy + column;
  job->kernels->epilogue(y, out->ldy, acc, ld_acc, rows, columns, &e);
}

static const unsigned char *weights_at(const linear_part *part, size_t row, size_t k) {
  const gm_type_traits *traits = gm_type_traits_of(part->out->w->type);
  return (const unsigned char *)part->out->w->data + row * part->out->w->row_bytes +
         k / traits->block * traits->block_bytes;
}

/* ---- GM_WAY_STEP --------------------------------------------------------------------------
 */

static void gemv_task(void *arg, size_t task, size_t worker) {
  const linear_job *job = arg;
  const linear_part *part = part_of(job, task);
  size_t column = (task - part->first_task) * part->columns;
  size_t columns = gm_min_size(part->columns, part->n - column);
  float *acc = (float *)(void *)(job->scratch + worker * job->scratch_bytes);
  size_t x_row = packed_row_bytes(part->mm, 1, part->k), rows;
  for (size_t row = 0; row < job->m; row += rows) {
    rows = gm_min_size(job->m - row, GM_GEMV_ROWS);
    part->mm->gemv(acc + row * columns, columns, part->x + row * x_row, rows,
                   weights_at(part, column, 0), part->out->w->row_bytes, columns, part->k);
  }
  finish(job, part, 0, column, acc, columns, job->m, columns);
}

static size_t plan_gemv(linear_job *job) {
  size_t tasks = 0;
  for (size_t i = 0; i < job->n_parts; i++) {
    linear_part *part = &job->parts[i];
    part->columns = gm_max_size(GEMV_BYTES / part->out->w->row_bytes / 16 * 16, 16);
    part->first_task = tasks;
    tasks += gm_ceil_div(part->n, part->columns);
    job->scratch_bytes =
        gm_max_size(job->scratch_bytes, part->columns * job->m * sizeof(float));
  }
  job->share_tasks = tasks;
  return tasks;
}

/* ---- GM_WAY_READ ------------------------------------------------------------------------- */

static void pack_task(void *arg, size_t task, size_t worker) {
  const pack_job *job = arg;
  (void)worker;
  size_t row = task * job->group,
         bytes = job->group * packed_row_bytes(job->mm, job->group, job->k);
  job->mm->pack_x(job->packed + task * bytes, job->x + row * job->ldx, job->ldx,
                  gm_min_size(job->group, job->m - row), job->group, job->k);
}

/* Where the panel of a column begins, at a chunk of k; NULL where none are kept. */
static const unsigned char *kept_panels(const linear_part *part, size_t column, size_t chunk) {
  const gm_matmul *mm = part->mm;
  if (!part->panels) return NULL;
  size_t chunks = gm_ceil_div(part->k, mm->chunk);
  return part->panels + (column / mm->nr * chunks + chunk) * mm->w_chunk_bytes * mm->nr;
}

/* What a thread unpacks at once: rows of w, and elements of each. */
typedef struct weight_cut {
  const linear_part *part;
  size_t column, columns, at, n;
} weight_cut;

static size_t first_column(const linear_job *job, const linear_part *part, size_t task) {
  return (task % job->share_tasks - part->first_task) / part->row_blocks * part->columns;
}

/* The cut behind `now`, of the next task if need be, which this thread will take unless its
 * share is done; none (no columns) where panels are kept, or at the end. */
static weight_cut next_cut(const linear_job *job, size_t task, const weight_cut *now) {
  weight_cut next = *now;
  next.at += now->n;
  if (next.at == now->part->k) {
    if (task + 1 >= job->tasks) return (weight_cut){.part = now->part};
    next.part = part_of(job, task + 1);
    next.column = first_column(job, next.part, task + 1);
    next.columns = gm_min_size(next.part->columns, next.part->n - next.column);
    next.at = 0;
  }
  if (next.part->panels) next.columns = 0;
  next.n = gm_min_size(next.part->cut, next.part->k - next.at);
  return next;
}

/* Asks for the share `i` of `n` of these weights, into the second cache. */
static void ask_for(const weight_cut *w, size_t i, size_t n) {
  const gm_type_traits *traits = gm_type_traits_of(w->part->out->w->type);
  size_t bytes = w->n / traits->block * traits->block_bytes;
  for (size_t j = w->columns * i / n; j < w->columns * (i + 1) / n; j++) {
    const unsigned char *row = weights_at(w->part, w->column + j, w->at);
    for (size_t at = 0; at < bytes; at += LINE) __builtin_prefetch(row + at, 0, 2);
  }
}

static void unpack(unsigned char *panels, const weight_cut *w, size_t panel_bytes) {
  const gm_matmul *mm = w->part->mm;
  for (size_t j = 0; j < w->columns; j += mm->nr, panels += panel_bytes)
    mm->pack_w(panels, weights_at(w->part, w->column + j, w->at), w->part->out->w->row_bytes,
               gm_min_size(mm->nr, w->columns - j), w->n);
}

static void gemm_task(void *arg, size_t task, size_t worker) {
  const linear_job *job = arg;
  const linear_part *part = part_of(job, task);
  const gm_matmul *mm = part->mm;
  size_t mr = mm->mr, nr = mm->nr, k = part->k, tiles = gm_ceil_div(job->m, mr);
  size_t blocks = part->row_blocks * job->row_shares;
  size_t block = task / job->share_tasks * part->row_blocks +
                 (task % job->share_tasks - part->first_task) % part->row_blocks;
  size_t begin = tiles * block / blocks, end = tiles * (block + 1) / blocks;
  size_t x_row = packed_row_bytes(mm, mr, k);
  weight_cut w = {.part = part, .column = first_column(job, part, task)};
  w.columns = gm_min_size(part->columns, part->n - w.column);
  size_t panels = gm_ceil_div(w.columns, nr);
  bool whole = part->cut >= k; /* then a tile's sums are not needed for long */
  float *sums = (float *)(void *)(job->scratch + worker * job->scratch_bytes);
  unsigned char *unpacked =
      (unsigned char *)(sums + (whole ? 1 : (end - begin + 1) * panels) * mr * nr);
  unpacked += -(uintptr_t)unpacked % LINE;

  gm_matmul_begin(mm);
  for (; w.at < k; w.at += w.n) {
    w.n = gm_min_size(part->cut, k - w.at);
    size_t chunk = w.at / mm->chunk, chunks = gm_ceil_div(part->panels ? k : w.n, mm->chunk);
    size_t panel_bytes = chunks * mm->w_chunk_bytes * nr;
    const unsigned char *panel = kept_panels(part, w.column, chunk);
    if (!panel) unpack(unpacked, &w, panel_bytes), panel = unpacked;
    weight_cut next = next_cut(job, task, &w);
    for (size_t t = begin; t < end; t++) {
      const unsigned char *x = part->x + t * mr * x_row + chunk * mm->x_chunk_bytes * mr;
      size_t rows = gm_min_size(mr, job->m - t * mr);
      ask_for(&next, t - begin, end - begin);
      for (size_t p = 0; p < panels; p++) {
        float *acc = sums + (whole ? 0 : (t - begin) * panels + p) * mr * nr;
        if (rows < mr && mm->tile_part)
          mm->tile_part(acc, x, panel + p * panel_bytes, w.n, w.at == 0, rows);
        else
          mm->tile(acc, x, panel + p * panel_bytes, w.n, w.at == 0);
        if (w.at + w.n == k)
          finish(job, part, t * mr, w.column + p * nr, acc, nr, rows,
                 gm_min_size(nr, w.columns - p * nr));
      }
    }
  }
  gm_matmul_end(mm);
}

/* How a part is divided among tasks. Returns the scratch that one of them needs. */
static size_t plan_part(linear_part *part, size_t m, size_t workers) {
  const gm_matmul *mm = part->mm;
  size_t chunks = gm_ceil_div(part->k, mm->chunk), chunk_bytes = mm->nr * mm->w_chunk_bytes;
  size_t panels = gm_min_size(PANEL_BYTES / (chunks * chunk_bytes), BLOCK_PANELS), tiles = 1;
  if (panels > 0) {
    size_t blocks = gm_ceil_div(part->n, panels * mm->nr);
    part->cut = chunks * mm->chunk;
    part->row_blocks =
        gm_min_size(gm_ceil_div(m, LEAST_ROWS), gm_ceil_div(WORKER_BLOCKS * workers, blocks));
  } else {
    panels = BLOCK_PANELS;
    part->cut = gm_ceil_div(chunks, gm_ceil_div(chunks * panels * chunk_bytes, PANEL_BYTES));
    part->cut *= mm->chunk;
    part->row_blocks = gm_ceil_div(m, BLOCK_ROWS);
    tiles = gm_ceil_div(m, mm->mr) / part->row_blocks + 2;
  }
  part->columns = panels * mm->nr;
  return tiles * mm->mr * part->columns * sizeof(float) +
         part->cut / mm->chunk * panels * chunk_bytes + LINE;
}

/* True where each thread should have its own rows: of weights that take little to unpack, as
 * each then unpacks all of them, and with enough rows. */
static bool rows_stay(const linear_job *job) {
  if (job->m < SHARE_ROWS * job->workers) return false;
  for (size_t i = 0; i < job->n_parts; i++)
    if (gm_type_traits_of(job->parts[i].out->w->type)->block > 1 ||
        job->parts[i].cut < job->parts[i].k)
      return false;
  return true;
}

static size_t plan_gemm(linear_job *job) {
  for (size_t i = 0; i < job->n_parts; i++) {
    size_t bytes = plan_part(&job->parts[i], job->m, job->workers);
    job->scratch_bytes = gm_max_size(job->scratch_bytes, gm_ceil_div(bytes, LINE) * LINE);
  }
  bool stay = rows_stay(job);
  size_t tasks = 0;
  for (size_t i = 0; i < job->n_parts; i++) {
    linear_part *part = &job->parts[i];
    if (stay) part->row_blocks = 1;
    part->first_task = tasks;
    tasks += gm_ceil_div(part->n, part->columns) * part->row_blocks;
  }
  job->row_shares = stay ? job->workers : 1;
  job->share_tasks = tasks;
  return tasks * job->row_shares;
}

/* ---- both ------------------------------------------------------------------------------ */

/* Packs the slab's activations for part i, unless an earlier part wants the same. */
static gm_status pack_for(gm_compute *c, linear_job *job, size_t i, const float *x,
                          size_t ldx) {
  linear_part *part = &job->parts[i];
  for (size_t j = 0; j < i; j++)
    if (job->parts[j].mm->pack_x == part->mm->pack_x && job->parts[j].mm->mr == part->mm->mr) {
      part->x = job->parts[j].x;
      return GM_OK;
    }
  size_t group = job->step ? 1 : part->mm->mr, tiles = gm_ceil_div(job->m, group);
  size_t bytes = tiles * group * packed_row_bytes(part->mm, group, part->k);
  unsigned char *packed = gm_scratch(c, bytes, "packed activations");
  if (!packed) return GM_ERR_MEMORY;
  pack_job pack = {part->mm, packed, x, ldx, job->m, group, part->k};
  bool little = job->step && job->m <= LITTLE_ROWS; /* to share */
  gm_pool_run(little ? NULL : c->pool, pack_task, &pack, tiles);
  part->x = packed;
  return GM_OK;
}

/* Multiply-adds. */
static double work_of_row(const linear_job *job) {
  double sum = 0;
  for (size_t i = 0; i < job->n_parts; i++)
    sum += (double)job->parts[i].n * (double)job->parts[i].k;
  return sum;
}

/* Computes what part's pair adds to the slab's rows. */
static gm_status add_pair(gm_compute *c, const linear_job *job, linear_part *part,
                          const float *x, size_t ldx) {
  const gm_tensor *w = part->out->w;
  const gm_pair *pair = w->pair;
  if (!pair) return GM_OK;
  size_t rank = pair->rank, m = job->m;
  size_t first =
      (size_t)((const unsigned char *)w->data - (const unsigned char *)pair->weights) /
      w->row_bytes;
  float *low = gm_scratch_f32(c, m * rank, "a low-rank product");
  float *share = gm_scratch_f32(c, m * part->n, "a low-rank product");
  if (!low || !share) return GM_ERR_MEMORY;
  const gm_tensor a = gm_tensor_f32(pair->a, rank, part->k);
  const gm_tensor b = gm_tensor_f32(pair->b + first * rank, part->n, rank);
  const gm_linear_out down = {.w = &a, .y = low, .ldy = rank};
  const gm_linear_out up = {.w = &b, .y = share, .ldy = part->n};
  GM_TRY(gm_linear(c, x, ldx, m, &down, 1));
  part->share = share;
  return gm_linear(c, low, rank, m, &up, 1);
}

static gm_status linear_slab(gm_compute *c, linear_job *job, const float *x, size_t ldx) {
  for (size_t i = 0; i < job->n_parts; i++) GM_TRY(add_pair(c, job, &job->parts[i], x, ldx));
  for (size_t i = 0; i < job->n_parts; i++) GM_TRY(pack_for(c, job, i, x, ldx));
  job->scratch_bytes = 0;
  job->workers = workers_of(c);
  job->tasks = job->step ? plan_gemv(job) : plan_gemm(job);
  job->scratch = gm_scratch(c, job->workers * job->scratch_bytes, "a matrix product");
  if (!job->scratch) return GM_ERR_MEMORY;
  if (!job->step)
    return gm_run_in_pieces(c, gemm_task, job, job->tasks, job->row_shares,
                            (double)job->m * work_of_row(job));
  gm_pool_run(c->pool, gemv_task, job, job->tasks);
  return GM_OK;
}

static const gm_matmul *product_of(const gm_kernels *k, gm_type type, bool step) {
  return !step && k->rounds[type] && k->rounded[type] ? k->rounded[type] : k->matmul[type];
}

gm_status gm_linear(gm_compute *c, const float *x, size_t ldx, size_t m,
                    const gm_linear_out *outs, size_t n_outs) {
  if (m == 0 || n_outs == 0) return GM_OK;
  gm_arena_mark start = gm_arena_save(&c->arena);
  linear_job job = {.kernels = c->kernels, .n_parts = n_outs, .step = c->way == GM_WAY_STEP};
  job.parts = gm_scratch(c, n_outs * sizeof *job.parts, "a matrix product");
  if (!job.parts) return GM_ERR_MEMORY;
  size_t slab = m, k = gm_tensor_cols(outs[0].w);
  for (size_t i = 0; i < n_outs; i++) {
    const gm_matmul *mm = product_of(c->kernels, outs[i].w->type, job.step);
    job.parts[i] = (linear_part){.out = &outs[i], .mm = mm, .k = k};
    job.parts[i].n = gm_tensor_rows(outs[i].w);
    if (!job.step) job.parts[i].panels = gm_panels_find(c->panels, outs[i].w, mm);
    assert(gm_tensor_cols(outs[i].w) == k && k % mm->block == 0 &&
           outs[i].ldy >= job.parts[i].n);
    slab = gm_min_size(slab,
                       gm_max_size(SLAB_BYTES / packed_row_bytes(mm, mm->mr, k), BLOCK_ROWS));
  }
  slab = gm_ceil_div(m, gm_ceil_div(m, slab));
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = GM_OK;
  for (; job.first_row < m && status == GM_OK; job.first_row += slab) {
    job.m = gm_min_size(slab, m - job.first_row);
    status = linear_slab(c, &job, x + job.first_row * ldx, ldx);
    gm_arena_restore(&c->arena, mark);
  }
  gm_arena_restore(&c->arena, start);
  return status;
}

void gm_get_rows(float *out, size_t ld_out, const gm_tensor *table, const int32_t *ids,
                 size_t n) {
  assert(!table->pair);
  const gm_type_traits *traits = gm_type_traits_of(table->type);
  size_t k = gm_tensor_cols(table);
  for (size_t i = 0; i < n; i++) {
    assert(ids[i] >= 0 && (size_t)ids[i] < gm_tensor_rows(table));
    const char *row = (const char *)table->data + (size_t)ids[i] * table->row_bytes;
    traits->to_float(out + i * ld_out, row, k);
  }
}
