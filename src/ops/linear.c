/* linear.c - matrix products of activations with weights of any type, and rows of a table. */
#include "ops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { ROWS_PER_TASK = 16 };

typedef struct linear_job {
  const float *x;
  size_t ldx, m, k;
  const gm_linear_out *out;
  float *rows; /* one row of k floats for each worker */
} linear_job;

static float activate(float v, gm_act act) {
  switch (act) {
  case GM_ACT_RELU:
    return v > 0.0f ? v : 0.0f;
  case GM_ACT_GELU:
    return 0.5f * v * (1.0f + erff(v * 0.70710678f));
  case GM_ACT_QUICK_GELU:
    return v / (1.0f + expf(-1.702f * v));
  case GM_ACT_SILU:
    return v / (1.0f + expf(-v));
  case GM_ACT_NONE:
    break;
  }
  return v;
}

static float dot(const float *a, const float *b, size_t n) {
  float sum[8] = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t j = 0; j < 8; j++) sum[j] += a[i + j] * b[i + j];
  for (; i < n; i++) sum[0] += a[i] * b[i];
  return (sum[0] + sum[4]) + (sum[1] + sum[5]) + (sum[2] + sum[6]) + (sum[3] + sum[7]);
}

static void linear_task(void *arg, size_t task, size_t worker) {
  linear_job *job = arg;
  const gm_linear_out *out = job->out;
  float *row = job->rows + worker * job->k;
  size_t n = gm_tensor_rows(out->w), begin = task * ROWS_PER_TASK;
  size_t end = begin + ROWS_PER_TASK < n ? begin + ROWS_PER_TASK : n;
  for (size_t j = begin; j < end; j++) {
    gm_type_traits_of(out->w->type)
        ->to_float(row, (const char *)out->w->data + j * out->w->row_bytes, job->k);
    for (size_t i = 0; i < job->m; i++) {
      float v = dot(job->x + i * job->ldx, row, job->k);
      v = activate(v + (out->bias ? out->bias[j] : 0.0f), out->act);
      if (out->scale) v *= out->scale[j];
      float *y = out->y + i * out->ldy + j;
      *y = out->accumulate ? *y + v : v;
    }
  }
}

gm_status gm_linear(gm_compute *c, const float *x, size_t ldx, size_t m,
                    const gm_linear_out *outs, size_t n_outs) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  for (size_t i = 0; i < n_outs && m > 0; i++) {
    linear_job job = {x, ldx, m, gm_tensor_cols(outs[i].w), &outs[i], NULL};
    size_t workers = c->pool ? gm_pool_threads(c->pool) : 1;
    job.rows = gm_scratch_f32(c, workers * job.k, "a matrix product");
    if (!job.rows) return GM_ERR_MEMORY;
    size_t n = gm_tensor_rows(outs[i].w);
    gm_pool_run(c->pool, linear_task, &job, (n + ROWS_PER_TASK - 1) / ROWS_PER_TASK);
    gm_arena_restore(&c->arena, mark);
  }
  return GM_OK;
}

void gm_get_rows(float *out, size_t ld_out, const gm_tensor *table, const int32_t *ids,
                 size_t n) {
  const gm_type_traits *traits = gm_type_traits_of(table->type);
  size_t k = gm_tensor_cols(table);
  for (size_t i = 0; i < n; i++) {
    assert(ids[i] >= 0 && (size_t)ids[i] < gm_tensor_rows(table));
    const char *row = (const char *)table->data + (size_t)ids[i] * table->row_bytes;
    traits->to_float(out + i * ld_out, row, k);
  }
}
