/* product.c - see product.h.
 *
 * Both factors are packed once, b in slabs that stay in a last-level cache, then threads take
 * blocks of y. Where k is long it is cut, so that a block's panels stay in the second cache;
 * the sums wait in scratch for the next cut. */
#include "product.h"

#include "sizes.h"

#include <assert.h>

enum {
  SLAB_BYTES = 16 << 20, /* of a packed factor */
  CUT = 512,             /* of k; a multiple of every chunk */
  BLOCK_PANELS = 4,
  BLOCK_TILES = 32,
  LITTLE = 1 << 19, /* multiply-adds that are not worth waking threads */
  LINE = 64
};

typedef struct product_job {
  const gm_product *p;
  const gm_kernels *kernels;
  const gm_matmul *mm;
  gm_packing a, b;
  size_t m_begin, m, n_begin, n;     /* the slab of y */
  size_t a_groups, b_groups;         /* to be packed; a_groups 0: they are */
  unsigned char *a_tiles, *b_panels; /* of the slab */
  size_t row_blocks, column_blocks;
  unsigned char *scratch;
  size_t scratch_bytes; /* a worker's */
} product_job;

static void pack_task(void *arg, size_t task, size_t worker) {
  const product_job *job = arg;
  bool is_b = task >= job->a_groups;
  const gm_packing *packing = is_b ? &job->b : &job->a;
  size_t first = (is_b ? task - job->a_groups : task) * packing->group;
  size_t tiles = gm_ceil_div(is_b ? job->n : job->m, packing->height);
  size_t begin = (is_b ? job->n_begin : job->m_begin) / packing->height;
  gm_pack_tiles(packing, begin + first, gm_min_size(packing->group, tiles - first),
                (is_b ? job->b_panels : job->a_tiles) + first * packing->tile_bytes,
                job->scratch + worker * job->scratch_bytes);
}

static void finish(const product_job *job, size_t row, size_t column, const float *acc,
                   size_t rows, size_t columns) {
  const gm_product *p = job->p;
  gm_epilogue e = {.bias = p->bias ? p->bias + column : NULL, .accumulate = p->add};
  job->kernels->epilogue(p->y + row * p->ldy + column, p->ldy, acc, job->mm->nr, rows, columns,
                         &e);
}

static void block_task(void *arg, size_t task, size_t worker) {
  const product_job *job = arg;
  const gm_matmul *mm = job->mm;
  size_t mr = mm->mr, nr = mm->nr, k = job->p->k;
  size_t tiles = gm_ceil_div(job->m, mr), panels = gm_ceil_div(job->n, nr);
  size_t row_block = task % job->row_blocks, column_block = task / job->row_blocks;
  size_t t0 = tiles * row_block / job->row_blocks,
         t1 = tiles * (row_block + 1) / job->row_blocks;
  size_t p0 = column_block * BLOCK_PANELS, p1 = gm_min_size(p0 + BLOCK_PANELS, panels);
  float *sums = (float *)(void *)(job->scratch + worker * job->scratch_bytes);
  bool whole = k <= CUT;

  for (size_t l = 0, n; l < k; l += n) {
    n = gm_min_size(CUT, k - l);
    size_t chunk = l / mm->chunk;
    for (size_t t = t0; t < t1; t++) {
      const unsigned char *x =
          job->a_tiles + t * job->a.tile_bytes + chunk * mm->x_chunk_bytes * mr;
      size_t rows = gm_min_size(mr, job->m - t * mr);
      for (size_t p = p0; p < p1; p++) {
        float *acc = sums + (whole ? 0 : (t - t0) * BLOCK_PANELS + p - p0) * mr * nr;
        mm->tile(acc, x, job->b_panels + p * job->b.tile_bytes + chunk * mm->w_chunk_bytes * nr,
                 n, l == 0);
        if (l + n == k)
          finish(job, job->m_begin + t * mr, job->n_begin + p * nr, acc, rows,
                 gm_min_size(nr, job->n - p * nr));
      }
    }
  }
}

/* Rows of a factor whose packed form fits a slab: whole groups. */
static size_t slab_rows(const gm_packing *packing) {
  size_t group_rows = packing->group * packing->height;
  size_t groups = SLAB_BYTES / (packing->group * packing->tile_bytes);
  return gm_min_size(packing->rows, gm_max_size(groups, 1) * group_rows);
}

static gm_status run_slab(gm_compute *c, product_job *job) {
  double work = (double)job->m * (double)job->n * (double)job->p->k;
  gm_pool *pool = work <= LITTLE ? NULL : c->pool;
  job->b_groups = gm_ceil_div(job->n, job->b.group * job->b.height);
  gm_pool_run(pool, pack_task, job, job->a_groups + job->b_groups);
  job->a_groups = 0;
  job->row_blocks = gm_ceil_div(gm_ceil_div(job->m, job->mm->mr), BLOCK_TILES);
  job->column_blocks = gm_ceil_div(job->n, BLOCK_PANELS * job->mm->nr);
  size_t tasks = job->row_blocks * job->column_blocks;
  if (pool) return gm_run_in_pieces(c, block_task, job, tasks, 1, work);
  gm_pool_run(NULL, block_task, job, tasks);
  return GM_OK;
}

static gm_status run_slabs(gm_compute *c, product_job *job) {
  const gm_product *p = job->p;
  size_t m_slab = slab_rows(&job->a), n_slab = slab_rows(&job->b);
  size_t mr = job->mm->mr, nr = job->mm->nr;
  job->a_tiles = gm_scratch(c, gm_ceil_div(m_slab, mr) * job->a.tile_bytes, "a packed factor");
  job->b_panels = gm_scratch(c, gm_ceil_div(n_slab, nr) * job->b.tile_bytes, "a packed factor");
  size_t sums = (p->k <= CUT ? 1 : BLOCK_TILES * BLOCK_PANELS) * mr * nr * sizeof(float);
  job->scratch_bytes =
      gm_max_size(sums, gm_max_size(job->a.scratch_bytes, job->b.scratch_bytes));
  job->scratch_bytes = gm_ceil_div(job->scratch_bytes, LINE) * LINE;
  job->scratch = gm_scratch(c, gm_pool_threads(c->pool) * job->scratch_bytes, "a product");
  if (!job->a_tiles || !job->b_panels || !job->scratch) return GM_ERR_MEMORY;
  for (job->m_begin = 0; job->m_begin < p->m; job->m_begin += m_slab) {
    job->m = gm_min_size(m_slab, p->m - job->m_begin);
    job->a_groups = gm_ceil_div(job->m, job->a.group * job->a.height);
    for (job->n_begin = 0; job->n_begin < p->n; job->n_begin += n_slab) {
      job->n = gm_min_size(n_slab, p->n - job->n_begin);
      GM_TRY(run_slab(c, job));
    }
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
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = run_slabs(t->c, &job);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
