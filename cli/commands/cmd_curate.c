/* cmd_curate.c - gromatic curate: pictures with boxes -> conversations whose phrases point at
 * the boxes, for training. */
#include "asking.h"
#include "commands.h"
#include "curate_prompt.h"
#include "export_formats.h"
#include "gromatic_tools.h"
#include "instruct_out.h"
#include "label_reply.h"
#include "prompts_file.h"
#include "replies_file.h"
#include "terminal.h"
#include "text_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Version of what the templates say, for the result's "source". */
static const char TEMPLATES[] = "labels-1";

/* The reply about a picture, for free(); NULL if there is none, or with *ok false. */
static char *reply_for(const cli_args *args, const curate_set *set, size_t i,
                       curate_replies *replies, bool *ok) {
  if (!args->from_labels) {
    char *text = replies->texts[i];
    replies->texts[i] = NULL;
    return text;
  }
  char *text = label_reply(&set->pictures[i]);
  *ok = text != NULL;
  if (!text) cli_error("no memory for %s", set->pictures[i].file);
  return text;
}

/* The pictures' folder, for free(). */
static char *images_folder(const cli_args *args) {
  const char *slash = strrchr(args->coco, '/');
  char *folder = NULL;
  if (args->images) return strdup(args->images);
  int length = slash ? (int)(slash - args->coco) + 1 : 0;
  return asprintf(&folder, "%.*simages", length, args->coco) < 0 ? NULL : folder;
}

static bool write_sheet(const cli_args *args, const instruct_out *out) {
  if (!args->sheet) return true;
  char *folder = images_folder(args);
  bool ok = folder && curate_sheet_write(&out->samples, folder, args->sheet);
  free(folder);
  return ok;
}

static int write_conversations(const cli_args *args, const curate_set *set,
                               curate_replies *replies) {
  const char *model = args->endpoint_model ? args->endpoint_model : "default";
  const char *prompt = args->instructions ? args->instructions : curate_instructions_version;
  instruct_out out;
  char *held = args->held_out > 0 ? instruct_held_path(args->output) : NULL;
  bool ok = instruct_open(&out, args->output, held, args->held_out,
                          args->from_labels ? "templates" : model,
                          args->from_labels ? TEMPLATES : prompt);
  if (!ok) {
    free(held);
    return CLI_SOME_FAILED;
  }
  for (size_t i = 0; ok && i < set->n && !cli_interrupted(); i++) {
    char *reply = reply_for(args, set, i, replies, &ok);
    if (reply) ok = instruct_add(&out, &set->pictures[i], reply);
    free(reply);
  }
  bool some = out.counts.pictures > 0, whole = ok && !cli_interrupted();
  if (!args->quiet && whole) instruct_report(&out, set);
  if (whole && !some) cli_error("no conversation is left; %s is not written", args->output);
  bool shown = !whole || !some || write_sheet(args, &out);
  ok = instruct_close(&out, whole && some) && whole && some && shown;
  free(held);
  return ok ? CLI_DONE : cli_interrupted() ? CLI_INTERRUPTED : CLI_SOME_FAILED;
}

/* What the model is told, for free(); NULL after a message. */
static char *instructions_of(const cli_args *args) {
  enum { MOST = 1 << 20 };
  if (!args->instructions) return strdup(curate_instructions);
  return cli_read_text("--instructions", args->instructions, MOST, NULL);
}

static int write_prompts(const cli_args *args, const curate_set *set) {
  char *own = instructions_of(args), *folder = images_folder(args);
  size_t failed = 0;
  bool ok = own && folder && prompts_write(args->write_prompts, set, folder, own, &failed);
  if (ok && !args->quiet)
    fprintf(stderr, "gromatic: %zu prompts, %zu failure%s\n", set->n - failed, failed,
            failed == 1 ? "" : "s");
  free(own);
  free(folder);
  if (cli_interrupted()) return CLI_INTERRUPTED;
  return ok && !failed ? CLI_DONE : CLI_SOME_FAILED;
}

static int check_replies(const cli_args *args, curate_set *set, const char *path) {
  curate_replies replies;
  bool ok = curate_replies_read(&replies, path, set);
  int code = ok ? write_conversations(args, set, &replies) : CLI_USAGE;
  curate_replies_free(&replies, set);
  return code;
}

/* Asks, then reads the file of replies as any other. */
static int ask(const cli_args *args, curate_set *set) {
  char *own = instructions_of(args), *folder = images_folder(args);
  curate_asking asking = {0};
  bool whole = false;
  int code = own && folder && curate_asking_begin(&asking, args, set, folder, own)
                 ? CLI_DONE
                 : CLI_SOME_FAILED;
  if (code == CLI_DONE && (!args->quiet || args->dry_run)) curate_asking_estimate(&asking);
  if (code == CLI_DONE && !args->dry_run) code = curate_ask_all(&asking, &whole);
  if (whole) {
    int checked = check_replies(args, set, asking.replies);
    if (code == CLI_DONE) code = checked;
  }
  free(asking.replies);
  free(own);
  free(folder);
  return code;
}

static int curate(const cli_args *args, curate_set *set) {
  if (args->write_prompts) return write_prompts(args, set);
  if (args->endpoint) return ask(args, set);
  return args->replies ? check_replies(args, set, args->replies)
                       : write_conversations(args, set, NULL);
}

/* Whether one step is asked for, with what it needs. */
static bool is_asked_well(const cli_args *args) {
  bool one = (args->replies != NULL) + args->from_labels + (args->write_prompts != NULL) +
                 (args->endpoint != NULL) ==
             1;
  if (!args->coco || !one || !args->output == !args->write_prompts) {
    cli_error(
        "curate: wanted --coco FILE, and either --write-prompts FILE, or -o FILE.jsonl with "
        "--endpoint URL, --replies FILE or --from-labels");
    return false;
  }
  if (args->inputs.n) {
    cli_error("curate: found '%s', wanted options only", args->inputs.items[0]);
    return false;
  }
  if (!args->endpoint && (args->dry_run || args->budget || args->resume || args->parallel ||
                          args->price_in > 0 || args->price_out > 0)) {
    cli_error(
        "curate: --dry-run, --budget, --resume, --parallel, --price-in and --price-out go "
        "with --endpoint URL");
    return false;
  }
  return true;
}

/* Whether what is there was written by an earlier run. */
static bool may_write(const cli_args *args) {
  const char *const heads[2] = {"{\"id\":", NULL};
  bool drawn = true;
  if (args->force) return true;
  if (!export_may_replace(args->output ? args->output : args->write_prompts,
                          args->output ? "conversations" : "prompts", heads))
    return false;
  if (args->output && args->held_out > 0) {
    char *held = instruct_held_path(args->output);
    bool may = held && export_may_replace(held, "conversations", heads);
    free(held);
    if (!may) return false;
  }
  if (args->sheet && access(args->sheet, F_OK) == 0 &&
      gm_drawn_by_gromatic(args->sheet, &drawn, NULL) == GM_OK && !drawn) {
    cli_error("--sheet %s: gromatic did not draw it; --force replaces it", args->sheet);
    return false;
  }
  return true;
}

int cmd_curate(const cli_args *args) {
  if (!is_asked_well(args) || !may_write(args)) return CLI_USAGE;
  curate_set set;
  cli_catch_interrupt();
  bool loaded = curate_set_load(&set, args->coco, args->captions, args->limit);
  int code = loaded ? curate(args, &set) : CLI_USAGE;
  if (loaded && set.left_out)
    cli_error("--coco %s: %zu entries cannot be used and were left out", args->coco,
              set.left_out);
  curate_set_free(&set);
  return code;
}
