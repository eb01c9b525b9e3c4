/* asking.c - see asking.h. */
#include "asking.h"

#include "base64.h"
#include "chat_pool.h"
#include "curate_prompt.h"
#include "ledger.h"
#include "marked_picture.h"
#include "options.h"
#include "params.h"
#include "progress.h"
#include "run_settings.h"
#include "set_reader.h"
#include "terminal.h"
#include "text_buffer.h"
#include "text_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  ANSWER_TOKENS = 1024, /* of a reply at most */
  FAILURES_IN_A_ROW = 3 /* then the run stops: it is not the picture */
};

typedef struct asker {
  const curate_asking *a;
  cli_ledger *ledger;
  cli_progress progress;
  size_t at;         /* the next picture */
  uint64_t spent;    /* tokens, those of earlier runs included */
  uint64_t promised; /* most that the questions on their way may take */
  size_t asked, failed, in_a_row;
  bool budget_used;
} asker;

/* ---- estimates ---- */

/* A picture takes 85 tokens and 170 for each tile of 512 pixels, once its sides are at most
 * 2048 and 768: the rule of a large provider, by which ours are estimated. */
static uint64_t picture_tokens(const curate_picture *p) {
  double w = p->width, h = p->height, shorter = fmin(w, h), longer = fmax(w, h);
  double scale = fmin(1, fmin(2048 / longer, 768 / shorter));
  return 85 + 170 * (uint64_t)(ceil(w * scale / 512) * ceil(h * scale / 512));
}

/* Of question and answer, at most. English has about 4 characters a token, with room to spare.
 */
static uint64_t most_tokens(const curate_picture *p, const char *text) {
  return picture_tokens(p) + strlen(text) / 3 + ANSWER_TOKENS;
}

void curate_asking_estimate(const curate_asking *a) {
  uint64_t tokens = 0;
  for (size_t i = 0; i < a->set->n; i++) {
    char *text = curate_prompt(a->instructions, &a->set->pictures[i]);
    if (text) tokens += most_tokens(&a->set->pictures[i], text);
    free(text);
  }
  fprintf(stderr, "gromatic: %zu pictures, at most about %llu tokens, %llu of them written",
          a->set->n, (unsigned long long)tokens,
          (unsigned long long)(a->set->n * ANSWER_TOKENS));
  if (a->args->price_in > 0 || a->args->price_out > 0) {
    double written = (double)(a->set->n * ANSWER_TOKENS), asked = (double)tokens - written;
    fprintf(stderr, "; at most %.2f at --price-in %g --price-out %g",
            (asked * a->args->price_in + written * a->args->price_out) / 1e6, a->args->price_in,
            a->args->price_out);
  }
  if (a->args->rate)
    fprintf(stderr, "; at least %.1f minutes at --rate %llu",
            (double)a->set->n / (double)a->args->rate, (unsigned long long)a->args->rate);
  fprintf(stderr, "\n");
}

/* ---- one picture ---- */

static char *data_uri(const asker *k, const curate_picture *p) {
  size_t size;
  char *png = marked_picture(p, k->a->folder, &size);
  char *uri = png ? base64_uri("data:image/png;base64,", png, size) : NULL;
  free(png);
  return uri;
}

static bool keep(asker *k, const curate_picture *p, const chat_answer *answer,
                 uint64_t tokens) {
  gm_text clean = {0}; /* a server may write bytes that are no text */
  char key[LEDGER_KEY + 1];
  bool ok = curate_key(p, key) &&
            gm_text_append_valid(&clean, answer->text, strlen(answer->text), NULL) == GM_OK;
  json_t *line =
      ok ? json_pack("{s:o, s:s, s:I, s:s}", "id", json_loads(p->id, JSON_DECODE_ANY, NULL),
                     "reply", clean.bytes ? clean.bytes : "", "tokens", (json_int_t)tokens,
                     "asked", key)
         : NULL;
  char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
  ok = text && cli_ledger_write(k->ledger, key, text, false);
  free(text);
  gm_text_free(&clean);
  json_decref(line);
  return ok;
}

static bool is_done(cli_ledger *ledger, const curate_picture *p) {
  char key[LEDGER_KEY + 1];
  bool failed;
  return curate_key(p, key) && cli_ledger_take(ledger, key, &failed);
}

/* The next picture without a reply, if the budget allows one more answer. */
static bool next(void *user, size_t *item, chat_question *question) {
  asker *k = user;
  const curate_set *set = k->a->set;
  uint64_t budget = k->a->args->budget;
  for (; k->at < set->n; k->at++) {
    const curate_picture *p = &set->pictures[k->at];
    if (is_done(k->ledger, p)) continue;
    cli_progress_update(&k->progress, p->file, (double)k->at / (double)set->n);
    char *text = curate_prompt(k->a->instructions, p);
    uint64_t most = text ? most_tokens(p, text) : 0;
    if (text && budget && k->spent + k->promised + most > budget) {
      k->budget_used = true;
      free(text);
      return false;
    }
    char *uri = text ? data_uri(k, p) : NULL;
    if (!uri) { /* the picture cannot be read; a message was printed */
      k->failed++;
      free(text);
      continue;
    }
    k->promised += most;
    *item = k->at++;
    *question = (chat_question){.text = text, .picture = uri, .max_tokens = ANSWER_TOKENS};
    return true;
  }
  return false;
}

/* False: the run cannot go on. */
static bool take(void *user, size_t item, const chat_answer *answer) {
  asker *k = user;
  const curate_picture *p = &k->a->set->pictures[item];
  char *text = curate_prompt(k->a->instructions, p);
  if (!text) return false;
  uint64_t most = most_tokens(p, text);
  free(text);
  k->promised -= most;
  k->in_a_row = answer ? 0 : k->in_a_row + 1;
  k->failed += !answer;
  k->asked += answer != NULL;
  if (!answer) return k->in_a_row < FAILURES_IN_A_ROW;
  uint64_t tokens = answer->tokens ? answer->tokens : most;
  k->spent += tokens;
  return keep(k, p, answer, tokens);
}

/* ---- the run ---- */

/* The tokens of an earlier run's lines, which may end in the middle of one. */
static uint64_t tokens_in(const char *path) {
  static const char *const names[] = {"tokens"};
  uint64_t sum = 0;
  if (access(path, R_OK) != 0) return 0;
  char *text = cli_read_text("", path, (size_t)4 << 30, NULL);
  gm_pull_reader list = gm_pull_begin(text ? text : "");
  gm_pull_value tokens;
  const char *entry;
  bool entered = false, lines;
  while (gm_pull_listed(&list, &entered, &lines))
    if (gm_pull_members(&list, &entry, names, &tokens, 1)) {
      double n = gm_pull_number(&tokens);
      if (n > 0 && n < 1e15) sum += (uint64_t)n;
    }
  free(text);
  return sum;
}

static uint64_t spent_before(const char *replies) {
  char *part = NULL;
  if (asprintf(&part, "%s.part", replies) < 0) return 0;
  uint64_t stopped = tokens_in(part), finished = tokens_in(replies);
  free(part);
  return stopped > finished ? stopped : finished; /* a stopped run began with a copy */
}

/* False after a message: there is no connection. */
static bool ask_rest(asker *k) {
  const cli_args *args = k->a->args;
  const chat_endpoint_params params = {
      .url = args->endpoint,
      .key = getenv("OPENAI_API_KEY"),
      .model = args->endpoint_model ? args->endpoint_model : "default",
      .per_minute = args->rate,
      .timeout = args->timeout,
      .retries = args->retries,
  };
  const chat_work work = {k, next, take};
  k->progress = cli_progress_begin(args->quiet);
  bool ok = chat_pool_run(&params, cli_together(args), &work);
  cli_progress_clear(&k->progress);
  return ok;
}

static json_t *settings_of(const curate_asking *a) {
  json_t *own = json_pack("{s:s}", "the instructions", a->instructions);
  /* A model with a name is the same at another address. */
  if (own && a->args->endpoint_model) json_object_set_new(own, "--endpoint", json_null());
  json_t *all = cli_option_settings(cli_command_named("curate"), a->args, own);
  json_decref(own);
  if (!all) cli_error("no memory to begin with");
  return all;
}

static int tell(const asker *k, bool *whole) {
  const cli_args *args = k->a->args;
  if (!args->quiet)
    fprintf(stderr, "gromatic: %zu new replies, %zu failure%s, %llu tokens\n", k->asked,
            k->failed, k->failed == 1 ? "" : "s", (unsigned long long)k->spent);
  if (k->budget_used)
    cli_error("--budget %llu is used up; go on with a larger one and --resume",
              (unsigned long long)args->budget);
  if (k->in_a_row >= FAILURES_IN_A_ROW)
    cli_error("%d failures in a row: stopped; go on with --resume", FAILURES_IN_A_ROW);
  else if (k->failed)
    cli_error("%zu pictures have no reply; ask again with --resume", k->failed);
  if (!*whole) return cli_interrupted() ? CLI_INTERRUPTED : CLI_SOME_FAILED;
  return k->failed || k->budget_used ? CLI_SOME_FAILED : CLI_DONE;
}

/* Takes over the settings. */
static int ask_locked(asker *k, json_t *settings, bool *whole) {
  const cli_args *args = k->a->args;
  int code = CLI_DONE;
  if (!settings) return CLI_SOME_FAILED;
  if (cli_ledger_is_finished(k->ledger) && !args->resume && !args->force) {
    cli_error("%s has the replies of an earlier run; go on with --resume, or ask again with "
              "--force",
              k->a->replies);
    code = CLI_USAGE;
  }
  if (code == CLI_DONE) code = cli_ledger_begin(k->ledger, settings);
  json_decref(settings);
  if (code != CLI_DONE) return code;
  k->spent = args->resume ? spent_before(k->a->replies) : 0;
  if (!ask_rest(k)) return CLI_SOME_FAILED;
  *whole = !cli_interrupted() && cli_ledger_finish(k->ledger);
  return tell(k, whole);
}

int curate_ask_all(const curate_asking *a, bool *whole) {
  const cli_args *args = a->args;
  const ledger_wish wish = {args->resume, false, args->force};
  asker k = {.a = a};
  *whole = false;
  int code = cli_ledger_open(a->replies, wish, &k.ledger);
  if (code != CLI_DONE) return code;
  code = ask_locked(&k, settings_of(a), whole);
  cli_ledger_close(k.ledger);
  return code;
}

bool curate_asking_begin(curate_asking *out, const cli_args *args, curate_set *set,
                         const char *folder, const char *instructions) {
  size_t n = strlen(args->output);
  *out = (curate_asking){args, set, folder, instructions, NULL};
  if (n > 6 && strcmp(args->output + n - 6, ".jsonl") == 0) n -= 6;
  if (asprintf(&out->replies, "%.*s-replies.jsonl", (int)n, args->output) < 0)
    out->replies = NULL;
  if (!out->replies) cli_error("no memory for the name of the replies");
  return out->replies != NULL;
}
