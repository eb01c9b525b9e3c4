/* product.c - see product.h.
 *
 * Slabs of a that stay in a last-level cache are packed by all threads. Then they take blocks
 * of y: a thread packs its columns' panels of b into its second cache and runs its tiles of a
 * over them. Where y is so narrow that a block has all of its columns, each tile of a is used
 * once: then a block packs its own tiles, a few at a time. Blocks of the same columns are
 * neighbours, so that a thread packs their panels once. Where k is long it is cut, so that the
 * panels fit; then the sums wait in scratch for the next cut. While a thread multiplies it asks
 * for what it packs next. */
#include "product.h"

#include "sizes.h"

#include <assert.h>

enum {
  SLAB_BYTES = 16 << 20,   /* of packed a */
  PANEL_BYTES = 288 << 10, /* of packed b, a thread's: half of a small L2 */
  CUT_STEP = 256,          /* cuts of k are multiples: of every chunk and block */
  BLOCK_ROWS = 1024,       /* most, where k is cut */
  LEAST_ROWS = 128,        /* of a block that is there to give every thread something to do */
  WORKER_BLOCKS = 4,       /* that a thread wants: the last ones end at about the same time */
  NARROW_GROUPS = 1,       /* of panels that one block can have */
  NARROW_ROWS = 256,       /* least of a thread that packs all panels by itself */
  NEAR_BYTES = 2 << 20,    /* of b, that may lie in the second cache already */
  LITTLE = 1 << 19,        /* multiply-adds that are not worth waking threads */
  LINE = 64
};

/* A worker's scratch begins with what it holds: the columns whose panels it packed last. */
typedef struct held {
  size_t column_block; /* SIZE_MAX: none */
} held;

typedef struct product_job {
  const gm_product *p;
  const gm_kernels *kernels;
  const gm_matmul *mm;
  gm_packing a, b;
  size_t m_begin, m, tiles; /* the slab of y */
  unsigned char *a_tiles;   /* NULL: a block packs its own */
  size_t a_stride;          /* of a_tiles, bytes */
  size_t cut, panels;       /* of k; of b in all */
  size_t block_panels;      /* of a block */
  size_t row_blocks, tasks;
  bool ask;
  unsigned char *scratch; /* a worker's: held, sums, panels, own tiles, what packing needs */
  size_t scratch_bytes, sums_bytes, panels_bytes, tiles_bytes;
} product_job;

static void pack_task(void *arg, size_t task, size_t worker) {
  const product_job *job = arg;
  size_t first = task * job->a.group;
  gm_pack_tiles(&job->a, job->m_begin / job->mm->mr + first,
                gm_min_size(job->a.group, job->tiles - first), 0, job->p->k,
                job->a_tiles + first * job->a_stride,
                job->scratch + worker * job->scratch_bytes);
}

/* Elements [at, at + n) of k of the panels [first, first + panels). */
typedef struct panel_cut {
  size_t column_block, first, panels, at, n;
} panel_cut;

static panel_cut cut_of(const product_job *job, size_t task, size_t at) {
  panel_cut cut = {.column_block = task / job->row_blocks, .at = at};
  cut.first = cut.column_block * job->block_panels;
  cut.panels = gm_min_size(job->block_panels, job->panels - cut.first);
  cut.n = gm_min_size(job->cut, job->p->k - at);
  return cut;
}

/* What this thread packs next, unless its share is done; panels 0: nothing. */
static panel_cut next_cut(const product_job *job, size_t task, const panel_cut *now) {
  if (now->at + now->n < job->p->k) return cut_of(job, task, now->at + now->n);
  bool same = now->n == job->p->k && (task + 1) / job->row_blocks == now->column_block;
  if (task + 1 == job->tasks || same) return (panel_cut){.panels = 0};
  return cut_of(job, task + 1, 0);
}

static void ask_for_y(const product_job *job, size_t row, size_t column, size_t rows,
                      size_t columns) {
  const gm_product *p = job->p;
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c += LINE / sizeof(float))
      __builtin_prefetch(p->y + (row + r) * p->ldy + column + c, 1, 3);
}

static void finish(const product_job *job, size_t row, size_t column, const float *acc,
                   size_t rows, size_t columns) {
  const gm_product *p = job->p;
  gm_epilogue e = {.bias = p->bias ? p->bias + column : NULL, .accumulate = p->add};
  job->kernels->epilogue(p->y + row * p->ldy + column, p->ldy, acc, job->mm->nr, rows, columns,
                         &e);
}

/* A tile x of a over a cut's panels. sums: of each panel, or of one where k is not cut. */
static void run_tile(const product_job *job, const panel_cut *cut, size_t tile,
                     const unsigned char *x, float *sums, const unsigned char *panel) {
  const gm_matmul *mm = job->mm;
  size_t mr = mm->mr, nr = mm->nr, k = job->p->k;
  size_t rows = gm_min_size(mr, job->m - tile * mr);
  size_t panel_bytes = gm_tile_stride(&job->b, cut->n);
  for (size_t i = 0; i < cut->panels; i++, panel += panel_bytes) {
    float *acc = sums + (cut->n == k ? 0 : i * mr * nr);
    size_t row = job->m_begin + tile * mr, column = (cut->first + i) * nr;
    size_t columns = gm_min_size(nr, job->p->n - column);
    bool last = cut->at + cut->n == k;
    if (last) ask_for_y(job, row, column, rows, columns);
    mm->tile(acc, x, panel, cut->n, cut->at == 0);
    if (last) finish(job, row, column, acc, rows, columns);
  }
}

static void pack_panels(const product_job *job, const panel_cut *cut, unsigned char *to,
                        void *scratch) {
  size_t stride = gm_tile_stride(&job->b, cut->n);
  for (size_t i = 0, n; i < cut->panels; i += n) {
    n = gm_min_size(job->b.group, cut->panels - i);
    gm_pack_tiles(&job->b, cut->first + i, n, cut->at, cut->n, to + i * stride, scratch);
  }
}

/* A block's tile of a, at a cut: among those that all threads share, or in `own`, where those
 * of a group are packed when the first is wanted. */
static const unsigned char *tile_at(const product_job *job, const panel_cut *cut, size_t tile,
                                    size_t first, size_t end, unsigned char *own) {
  const gm_matmul *mm = job->mm;
  if (job->a_tiles)
    return job->a_tiles + tile * job->a_stride +
           cut->at / mm->chunk * mm->x_chunk_bytes * mm->mr;
  size_t group = job->a.group, i = (tile - first) % group;
  if (i == 0)
    gm_pack_tiles(&job->a, tile, gm_min_size(group, end - tile), cut->at, cut->n, own,
                  own + job->tiles_bytes);
  return own + i * gm_tile_stride(&job->a, cut->n);
}

static void block_task(void *arg, size_t task, size_t worker) {
  const product_job *job = arg;
  unsigned char *mine = job->scratch + worker * job->scratch_bytes;
  held *holds = (held *)(void *)mine;
  float *sums = (float *)(void *)(mine + LINE);
  unsigned char *panels = mine + LINE + job->sums_bytes, *own = panels + job->panels_bytes;
  size_t block = task % job->row_blocks, k = job->p->k;
  size_t begin = job->tiles * block / job->row_blocks;
  size_t end = job->tiles * (block + 1) / job->row_blocks;
  gm_matmul_begin(job->mm);
  for (size_t at = 0; at < k; at += job->cut) {
    panel_cut cut = cut_of(job, task, at), next = next_cut(job, task, &cut);
    if (cut.n < k || holds->column_block != cut.column_block)
      pack_panels(job, &cut, panels, own + job->tiles_bytes);
    holds->column_block = cut.column_block;
    for (size_t t = begin; t < end; t++) {
      if (job->ask && next.panels > 0)
        gm_ask_for_tiles(&job->b, next.first, next.panels, next.at, next.n, t - begin,
                         end - begin);
      float *of_tile = sums;
      if (cut.n < k) of_tile += (t - begin) * job->block_panels * job->mm->mr * job->mm->nr;
      run_tile(job, &cut, t, tile_at(job, &cut, t, begin, end, own), of_tile, panels);
    }
  }
  gm_matmul_end(job->mm);
}

static size_t round_up(size_t n, size_t step) {
  return gm_ceil_div(n, step) * step;
}

/* How y is divided among tasks. m: rows of a slab. */
static void plan_blocks(product_job *job, size_t m, size_t workers) {
  const gm_matmul *mm = job->mm;
  size_t k = job->p->k,
         column_bytes = job->block_panels * mm->nr * mm->w_chunk_bytes / mm->chunk;
  size_t most = gm_max_size(PANEL_BYTES / column_bytes / CUT_STEP, 1) * CUT_STEP;
  size_t cuts = gm_ceil_div(k, most), blocks = gm_ceil_div(job->panels, job->block_panels);
  job->cut = cuts == 1 ? k : round_up(gm_ceil_div(k, cuts), CUT_STEP);
  size_t wanted = gm_ceil_div(WORKER_BLOCKS * workers, blocks);
  job->row_blocks = gm_max_size(gm_min_size(wanted, m / LEAST_ROWS), 1);
  if (cuts > 1) job->row_blocks = gm_max_size(job->row_blocks, gm_ceil_div(m, BLOCK_ROWS));
}

static void plan_scratch(product_job *job, size_t m) {
  const gm_matmul *mm = job->mm;
  size_t tile_floats = mm->mr * mm->nr;
  size_t block_tiles = gm_ceil_div(gm_ceil_div(m, mm->mr), job->row_blocks) + 1;
  size_t sums = job->cut == job->p->k ? 1 : block_tiles * job->block_panels;
  job->sums_bytes = round_up(sums * tile_floats * sizeof(float), LINE);
  job->panels_bytes = job->block_panels * gm_tile_stride(&job->b, job->cut);
  job->tiles_bytes = job->a_tiles ? 0 : job->a.group * gm_tile_stride(&job->a, job->cut);
  size_t packing = gm_max_size(job->a.scratch_bytes, job->b.scratch_bytes);
  job->scratch_bytes = LINE + job->sums_bytes + job->panels_bytes + job->tiles_bytes + packing;
  job->scratch_bytes = round_up(job->scratch_bytes, LINE);
}

static gm_status run_slab(gm_compute *c, product_job *job, size_t workers) {
  double work = (double)job->m * (double)job->p->n * (double)job->p->k;
  gm_pool *pool = work <= LITTLE ? NULL : c->pool;
  job->tiles = gm_ceil_div(job->m, job->mm->mr);
  job->tasks = gm_ceil_div(job->panels, job->block_panels) * job->row_blocks;
  if (job->a_tiles) gm_pool_run(pool, pack_task, job, gm_ceil_div(job->tiles, job->a.group));
  for (size_t i = 0; i < workers; i++)
    ((held *)(void *)(job->scratch + i * job->scratch_bytes))->column_block = SIZE_MAX;
  if (pool) return gm_run_in_pieces(c, block_task, job, job->tasks, 1, work);
  gm_pool_run(NULL, block_task, job, job->tasks);
  return GM_OK;
}

static gm_status run_slabs(gm_compute *c, product_job *job) {
  size_t m = job->p->m, workers = gm_pool_threads(c->pool), mr = job->mm->mr;
  bool narrow = job->panels <= NARROW_GROUPS * job->b.group && m >= NARROW_ROWS * workers;
  job->block_panels = narrow ? job->panels : job->b.group;
  job->a_stride = gm_tile_stride(&job->a, job->p->k);
  size_t slab = m;
  if (!narrow) {
    size_t most = gm_max_size(SLAB_BYTES / job->a_stride, 1) * mr;
    slab = round_up(gm_ceil_div(m, gm_ceil_div(m, most)), mr);
    job->a_tiles = gm_scratch(c, gm_ceil_div(slab, mr) * job->a_stride, "a packed factor");
    if (!job->a_tiles) return GM_ERR_MEMORY;
  }
  plan_blocks(job, gm_min_size(m, slab), workers);
  plan_scratch(job, gm_min_size(m, slab));
  job->scratch = gm_scratch(c, workers * job->scratch_bytes, "a product");
  if (!job->scratch) return GM_ERR_MEMORY;
  for (job->m_begin = 0; job->m_begin < m; job->m_begin += slab) {
    job->m = gm_min_size(slab, m - job->m_begin);
    GM_TRY(run_slab(c, job, workers));
  }
  return GM_OK;
}

static void no_terms(const gm_product *p) {
  for (size_t i = 0; i < p->m; i++)
    for (size_t j = 0; j < p->n; j++)
      p->y[i * p->ldy + j] = (p->add ? p->y[i * p->ldy + j] : 0) + (p->bias ? p->bias[j] : 0);
}

/* What rounds factors to bf16, where the processor has instructions for it; else f32. */
static const gm_matmul *kernel_of(const gm_training *t) {
  const gm_kernels *k = t->c->kernels;
  const gm_matmul *rounded = k->rounded[GM_TYPE_F32];
  bool use = t->bf16 && k->rounds[GM_TYPE_BF16] && rounded && rounded->form == GM_TILE_AS_ROWS;
  return use ? rounded : k->matmul[GM_TYPE_F32];
}

gm_status gm_product_run(const gm_training *t, const gm_product *p) {
  assert(p->a.type == GM_TYPE_F32 && p->ldy >= p->n);
  if (p->m == 0 || p->n == 0) return GM_OK;
  if (p->k == 0) {
    no_terms(p);
    return GM_OK;
  }
  product_job job = {.p = p, .kernels = t->c->kernels, .mm = kernel_of(t)};
  job.a = gm_packing_of(job.kernels, job.mm, &p->a, false, p->m, p->k);
  job.b = gm_packing_of(job.kernels, job.mm, &p->b, true, p->n, p->k);
  job.panels = gm_ceil_div(p->n, job.mm->nr);
  job.ask = (p->b.turned ? p->k : p->n) * p->b.row_bytes > NEAR_BYTES;
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = run_slabs(t->c, &job);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
