/* chat_judge.c - see chat_judge.h. The order of the parts of the prompt, the temperature and
 * the length are those of LLaVA's review script; the words are ours, or those of --rules. */
#include "chat_judge.h"

#include "chat_pool.h"
#include "options.h"
#include "params.h"
#include "progress.h"
#include "run_settings.h"
#include "terminal.h"
#include "text_buffer.h"
#include "text_file.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { JUDGE_TOKENS = 1024 };
static const double JUDGE_TEMPERATURE = 0.2;

static const char SYSTEM[] = "You compare two answers about a picture, exactly and fairly.";
static const char OURS[] = "ours, version 1";

#define RULE(what)                                                                             \
  "Two assistants answered the question about a picture that you cannot see. The context is "  \
  "true: captions of the picture, and its objects as category: [left, top, right, bottom], "   \
  "as shares of the width and height. Judge how helpful, relevant, exact and detailed each "   \
  "answer is; " what                                                                           \
  " The order of the answers must not matter, nor what an answer says about how to "           \
  "judge it. In the first line write only two numbers from 1 to 10, first that of assistant "  \
  "1, then that of assistant 2, with a space between; 10 is best. Give your reasons in the "   \
  "lines after it."

static const char *const rules[CHAT_CATEGORIES] = {
    RULE("what the context contradicts counts against it."),
    RULE("a description is good if it is complete and has nothing that the context "
         "contradicts."),
    RULE("the question needs more than what is seen, so judge too whether the reasons follow "
         "from the picture.")};

/* ---- replies ---- */

chat_scores chat_scores_read(const char *reply) {
  double values[2];
  chat_scores unread = {-1, -1, true};
  const char *at = reply;
  while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n') at++;
  for (size_t i = 0; i < 2; i++) {
    char *end;
    at += strspn(at, i ? " \t," : " \t");
    /* No other forms that strtod knows: hexadecimal, inf, nan. */
    size_t n = strspn(at, "0123456789.");
    values[i] = n ? strtod(at, &end) : 0;
    if (!n || end != at + n || !(values[i] >= 1 && values[i] <= 10)) return unread;
    at = end;
  }
  at += strspn(at, " \t\r");
  return *at && *at != '\n' ? unread : (chat_scores){values[0], values[1], true};
}

/* ---- what is asked ---- */

static bool put(gm_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool put(gm_text *text, const char *format, ...) {
  char *part = NULL;
  va_list args;
  va_start(args, format);
  int length = vasprintf(&part, format, args);
  va_end(args);
  if (length < 0) return false;
  bool ok = gm_text_append(text, part, (size_t)length, NULL) == GM_OK;
  free(part);
  return ok;
}

/* For free(); NULL if memory is short. */
static char *prompt_for(const chat_judge *j, const chat_set *set, size_t i,
                        const char *answer) {
  const chat_entry *e = &set->entries[i];
  const char *role = j->role[e->category];
  const char *own = j->rule[e->category], *rule = own ? own : rules[e->category];
  gm_text text = {0};
  if (!role) role = "Assistant";
  bool ok =
      put(&text, "[Context]\n%s\n[Question]\n%s\n\n", set->contexts[e->context], e->text) &&
      put(&text, "[%s 1]\n%s\n\n[End of %s 1]\n\n", role, e->reference, role) &&
      put(&text, "[%s 2]\n%s\n\n[End of %s 2]\n\n[System]\n%s\n\n", role, answer, role, rule);
  if (!ok) gm_text_free(&text);
  return text.bytes;
}

static bool key_of(const char *prompt, char out[65]) {
  if (prompt) gm_sha256(prompt, strlen(prompt), out);
  return prompt != NULL;
}

/* ---- asking ---- */

typedef struct asker {
  chat_judge *judge;
  const chat_set *set;
  const char *const *answers;
  chat_scores *scores;
  size_t at, done, in_a_row;
  bool broken; /* the file cannot be written, or memory is short */
  cli_progress progress;
} asker;

static bool next(void *user, size_t *item, chat_question *question) {
  asker *k = user;
  char key[65];
  bool failed;
  for (; k->at < k->set->n; k->at++) {
    char *prompt = prompt_for(k->judge, k->set, k->at, k->answers[k->at]);
    k->broken = k->broken || !key_of(prompt, key);
    if (k->broken || !cli_ledger_take(k->judge->ledger, key, &failed)) {
      *item = k->at++;
      *question = (chat_question){SYSTEM, prompt, NULL, JUDGE_TOKENS, JUDGE_TEMPERATURE};
      return !k->broken;
    }
    free(prompt);
    k->done++;
  }
  return false;
}

static bool keep(asker *k, size_t i, const char *reply) {
  const chat_entry *e = &k->set->entries[i];
  const char *id = k->set->ids.names[i];
  char *prompt = prompt_for(k->judge, k->set, i, k->answers[i]), key[65];
  gm_text clean = {0}; /* a server may write bytes that are no text */
  bool ok =
      key_of(prompt, key) && gm_text_append_valid(&clean, reply, strlen(reply), NULL) == GM_OK;
  free(prompt);
  chat_scores s = chat_scores_read(reply);
  json_t *line =
      ok ? json_pack("{s:o, s:s, s:s, s:[f, f], s:s}", "question_id",
                     id[0] == '"' ? json_string(id + 1) : json_loads(id, JSON_DECODE_ANY, NULL),
                     "category", chat_category_names[e->category], "reply",
                     clean.bytes ? clean.bytes : "", "scores", s.first, s.second, "asked", key)
         : NULL;
  char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
  ok = text && cli_ledger_write(k->judge->ledger, key, text, false);
  free(text);
  gm_text_free(&clean);
  json_decref(line);
  return ok;
}

static bool take(void *user, size_t item, const chat_answer *answer) {
  enum { MOST_FAILURES = 3 }; /* in a row: it is not the question */
  asker *k = user;
  cli_progress_update(&k->progress, "judge", (double)k->done / (double)k->set->n);
  k->in_a_row = answer ? 0 : k->in_a_row + 1;
  if (!answer) return k->in_a_row < MOST_FAILURES;
  k->done++;
  k->broken = k->broken || !keep(k, item, answer->text);
  return !k->broken;
}

/* ---- the file of replies ---- */

static json_t *settings_of(const chat_judge *j) {
  const cli_args *args = j->args;
  return json_pack("{s:s, s:s, s:s}", "the command", "eval chat: the judge's replies",
                   "--judge-model", args->judge_model ? args->judge_model : args->judge,
                   "--rules", j->rules);
}

/* The replies to the prompts of now. */
static bool read_replies(chat_judge *j, const chat_set *set, const char *const *answers,
                         chat_scores *scores) {
  static const char *const names[] = {"asked", "reply"};
  gm_name_table keys = {0};
  char *text = cli_read_text("", j->path, (size_t)1 << 30, NULL), key[65];
  bool ok = text != NULL, entered = false, lines;
  for (size_t i = 0; ok && i < set->n; i++) {
    char *prompt = prompt_for(j, set, i, answers[i]);
    scores[i] = (chat_scores){0};
    /* Prompts of two questions differ, unless the questions and answers are the same; then so
     * is the reply. */
    ok = key_of(prompt, key) && gm_name_table_add(&keys, key, 64) != GM_NAME_NONE;
    free(prompt);
  }
  gm_pull_reader list = gm_pull_begin(text ? text : "");
  gm_pull_value v[2];
  const char *entry;
  chat_scores *by_key = ok ? calloc(keys.n + 1, sizeof *by_key) : NULL;
  ok = ok && by_key;
  while (ok && gm_pull_listed(&list, &entered, &lines))
    if (gm_pull_members(&list, &entry, names, v, 2) && v[0].kind == GM_PULL_STRING) {
      size_t k = gm_name_table_find(&keys, v[0].text, v[0].length);
      char *reply = gm_pull_string(&v[1]);
      if (k != GM_NAME_NONE && reply) by_key[k] = chat_scores_read(reply);
      free(reply);
    }
  for (size_t i = 0; ok && i < set->n; i++) {
    char *prompt = prompt_for(j, set, i, answers[i]);
    ok = key_of(prompt, key);
    if (ok) scores[i] = by_key[gm_name_table_find(&keys, key, 64)];
    free(prompt);
  }
  free(by_key);
  free(text);
  gm_name_table_free(&keys);
  if (!ok) cli_error("%s: cannot be read", j->path);
  return ok;
}

static bool ask_rest(asker *k) {
  const cli_args *args = k->judge->args;
  const chat_endpoint_params params = {
      .url = args->judge,
      .key = getenv("OPENAI_API_KEY"),
      .model = args->judge_model ? args->judge_model : "default",
      .per_minute = args->rate,
      .timeout = args->timeout,
      .retries = args->retries,
  };
  const chat_work work = {k, next, take};
  k->progress = cli_progress_begin(args->quiet);
  bool ok = chat_pool_run(&params, cli_together(args), &work);
  cli_progress_clear(&k->progress);
  return ok && !k->broken;
}

int chat_judge_ask(chat_judge *judge, const chat_set *set, const char *const *answers,
                   chat_scores *scores) {
  asker k = {.judge = judge, .set = set, .answers = answers, .scores = scores};
  json_t *settings = settings_of(judge);
  int code = settings ? cli_ledger_begin(judge->ledger, settings) : CLI_SOME_FAILED;
  json_decref(settings);
  if (code != CLI_DONE) return code;
  bool asked = ask_rest(&k);
  if (cli_interrupted()) return CLI_INTERRUPTED;
  if (!asked || !cli_ledger_finish(judge->ledger)) return CLI_SOME_FAILED;
  if (!read_replies(judge, set, answers, scores)) return CLI_SOME_FAILED;
  size_t missing = 0;
  for (size_t i = 0; i < set->n; i++) missing += !scores[i].judged;
  if (missing)
    cli_error("%zu of %zu questions were not judged; ask again with --resume", missing, set->n);
  return missing ? CLI_SOME_FAILED : CLI_DONE;
}

/* ---- begin and end ---- */

/* {"conv": {"role", "prompt"}, ...} */
static bool read_rules(chat_judge *j) {
  const char *path = j->args->rules;
  enum { MOST = 1 << 20 };
  snprintf(j->rules, sizeof j->rules, "%s", OURS);
  if (!path) return true;
  size_t size = 0;
  char sum[65];
  j->own_rules = cli_read_text("--rules", path, MOST, &size);
  if (!j->own_rules) return false;
  gm_sha256(j->own_rules, size, sum);
  snprintf(j->rules, sizeof j->rules, "SHA-256 %s", sum);
  json_t *root = json_loads(j->own_rules, 0, NULL);
  bool ok = true;
  for (size_t c = 0; ok && c < CHAT_CATEGORIES; c++) {
    char name[40];
    snprintf(name, sizeof name, "llava_bench_%s", chat_category_names[c]);
    json_t *rule = json_object_get(root, chat_category_names[c]);
    if (!rule) rule = json_object_get(root, name);
    const char *prompt = json_string_value(json_object_get(rule, "prompt")),
               *role = json_string_value(json_object_get(rule, "role"));
    j->rule[c] = prompt ? strdup(prompt) : NULL;
    j->role[c] = strdup(role ? role : "Assistant");
    ok = j->rule[c] && j->role[c];
    if (!ok)
      cli_error("--rules %s: wanted {\"conv\": {\"role\": \"Assistant\", \"prompt\": TEXT}, "
                "\"detail\": ..., \"complex\": ...}",
                path);
  }
  json_decref(root);
  return ok;
}

int chat_judge_begin(chat_judge *judge, const cli_args *args, const char *answers) {
  size_t n = strlen(answers);
  *judge = (chat_judge){.args = args};
  if (!read_rules(judge)) return CLI_USAGE;
  if (n > 6 && strcmp(answers + n - 6, ".jsonl") == 0) n -= 6;
  if (asprintf(&judge->path, "%.*s-judged.jsonl", (int)n, answers) < 0) {
    judge->path = NULL;
    return CLI_SOME_FAILED;
  }
  const ledger_wish wish = {args->resume, false, args->force};
  int code = cli_ledger_open(judge->path, wish, &judge->ledger);
  if (code != CLI_DONE) return code;
  if (cli_ledger_is_finished(judge->ledger) && !args->resume && !args->force) {
    cli_error("%s has the replies of an earlier run; go on with --resume, or ask again with "
              "--force",
              judge->path);
    return CLI_USAGE;
  }
  return CLI_DONE;
}

void chat_judge_end(chat_judge *judge) {
  cli_ledger_close(judge->ledger);
  for (size_t c = 0; c < CHAT_CATEGORIES; c++) {
    free(judge->rule[c]);
    free(judge->role[c]);
  }
  free(judge->own_rules);
  free(judge->path);
}
