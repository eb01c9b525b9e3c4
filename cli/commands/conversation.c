/* conversation.c - see conversation.h. Ctrl-C stops the answer, at the prompt it clears the
 * line; Ctrl-D or /quit ends. Where standard input is no terminal, each of its lines is a
 * question. */
#include "conversation.h"

#include "batch.h"
#include "export.h"
#include "file_names.h"
#include "terminal.h"

#include <editline/readline.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct conversation {
  const cli_args *args;
  gm_model *model;
  gm_image *image;
  gm_scene *scene;
  gm_chat *chat;
  char *image_name;
  cli_box_format format;
  gm_box *boxes; /* for the next question */
  size_t n_boxes;
  cli_report last; /* of the last answer, for /save OUT.png */
  json_t *turns;   /* for /save FILE */
  bool terminal;
} conversation;

static void forget_boxes(conversation *c) {
  free(c->boxes);
  c->boxes = NULL;
  c->n_boxes = 0;
}

static void on_text(void *user, const char *text, size_t length) {
  (void)user;
  cli_put_text(stdout, text, length);
  fflush(stdout);
}

static bool on_cancelled(void *user) {
  (void)user;
  return cli_interrupted();
}

static bool fresh_chat(conversation *c) {
  gm_error err = {0};
  gm_chat_free(c->chat);
  c->chat = NULL;
  cli_report_free(&c->last); /* it may be of another picture */
  json_array_clear(c->turns);
  forget_boxes(c);
  if (gm_chat_create(&c->chat, c->scene, &err) == GM_OK) return true;
  cli_report_error(&err);
  return false;
}

/* The old picture stays if the new one cannot be had. */
static bool load_image(conversation *c, const char *path) {
  gm_error err = {0};
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_image_params image_params = cli_image_params(c->args);
  gm_callbacks callbacks = {c, on_cancelled, NULL, NULL};
  gm_scene_params params = cli_scene_params(c->args);
  gm_status status = gm_image_open(&image, path, &image_params, &err);
  if (status == GM_OK)
    status = gm_scene_create(&scene, c->model, image, &params, &callbacks, &err);
  if (status != GM_OK) {
    bool named = status == GM_ERR_CANCELLED || strncmp(err.message, path, strlen(path)) == 0;
    if (named)
      cli_report_error(&err);
    else
      cli_error("%s: %s", path, err.message);
    gm_image_free(image);
    return false;
  }
  gm_chat_free(c->chat);
  c->chat = NULL;
  gm_scene_free(c->scene);
  gm_image_free(c->image);
  free(c->image_name);
  c->scene = scene;
  c->image = image;
  c->image_name = strdup(path);
  size_t n;
  gm_scene_regions(scene, &n);
  if (c->terminal)
    printf("%s: %u x %u, %zu regions\n", path, gm_image_width(image), gm_image_height(image),
           n);
  return fresh_chat(c);
}

static void add_box(conversation *c, const char *text) {
  double values[4];
  gm_box box;
  if (!c->image) {
    cli_error("no picture yet: /image FILE");
  } else if (!cli_parse_box(text, values) ||
             !cli_box_to_pixels(c->format, values, gm_image_width(c->image),
                                gm_image_height(c->image), &box)) {
    cli_error("/box: found '%s', wanted a box on the picture as %s", text,
              cli_box_format_name(c->format));
  } else {
    gm_box *grown = realloc(c->boxes, (c->n_boxes + 1) * sizeof *grown);
    if (!grown) return;
    c->boxes = grown;
    grown[c->n_boxes++] = box;
    if (c->terminal) printf("box {%zu} for the next question\n", c->n_boxes);
  }
}

static void save_drawing(const conversation *c, const char *path) {
  gm_error err = {0};
  if (!c->image || !c->last.caption)
    cli_error("nothing to draw yet");
  else if (cli_same_file(path, c->image_name))
    cli_error("/save %s: this is the picture itself; give another name", path);
  else if (gm_draw(c->image, c->last.marks, c->last.n_marks, c->last.caption, c->last.spans,
                   c->last.n_spans, path, &err) != GM_OK)
    cli_error("%s", err.message);
  else
    printf("wrote %s\n", path);
}

static void save_turns(const conversation *c, const char *path) {
  size_t i;
  json_t *turn;
  if (!cli_format_may_replace(FORMAT_JSON, path)) return;
  FILE *file = fopen(path, "we");
  bool ok = file != NULL;
  if (ok) json_array_foreach(c->turns, i, turn) {
      ok = ok && json_dumpf(turn, file, JSON_COMPACT | JSON_REAL_PRECISION(10)) == 0 &&
           fputc('\n', file) != EOF;
    }
  if (file && fclose(file) != 0) ok = false;
  if (ok)
    printf("wrote %s\n", path);
  else
    cli_error("%s: cannot write: %s", path, strerror(errno));
}

static void save(const conversation *c, const char *path) {
  if (!path[0])
    cli_error("/save wants a file: OUT.png or OUT.jpg for the annotated picture, else the "
              "conversation");
  else if (cli_is_drawn_name(path))
    save_drawing(c, path);
  else
    save_turns(c, path);
}

static void ask(conversation *c, const char *question) {
  if (!c->chat) {
    cli_error("no picture yet: /image FILE");
    return;
  }
  gm_error err = {0};
  gm_callbacks callbacks = {c, on_cancelled, NULL, c->args->json ? NULL : on_text};
  gm_ask_params params = cli_ask_params(c->args);
  params.boxes = c->boxes;
  params.n_boxes = c->n_boxes;
  gm_answer *answer = NULL;
  cli_clear_interrupt();
  gm_status status = gm_chat_ask(c->chat, question, &params, &callbacks, &answer, &err);
  if (!c->args->json) putchar('\n');
  if (answer) {
    cli_report_free(&c->last);
    if (cli_report_begin(&c->last, c->image_name, gm_image_width(c->image),
                         gm_image_height(c->image), c->format, cli_has_colour(stdout))) {
      json_object_set_new(c->last.json, "question", json_string(question));
      cli_report_answer(&c->last, c->last.json, answer, c->args->raw, true);
      json_array_append(c->turns, c->last.json);
      fflush(c->last.text);
      if (c->args->json) {
        json_dumpf(c->last.json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
        putchar('\n');
      } else {
        fwrite(c->last.text_bytes, 1, c->last.text_size, stdout);
      }
    }
  }
  if (status == GM_ERR_CANCELLED)
    fprintf(stderr, "(stopped)\n");
  else if (status != GM_OK)
    cli_error("%s", err.message);
  fflush(stdout);
  gm_answer_free(answer);
  forget_boxes(c);
  cli_clear_interrupt();
}

static const char commands_help[] =
    "/image FILE         another picture\n"
    "/box x1,y1,x2,y2    a box for the next question: {1}, {2}, ... in it, else at its end\n"
    "/clear              forget the conversation, keep the picture\n"
    "/save FILE          the conversation as JSON lines; FILE.png, FILE.jpg: the annotated "
    "picture\n"
    "/quit               end (also Ctrl-D); Ctrl-C stops an answer\n";

/* False when the conversation is over. */
static bool handle_line(conversation *c, char *line) {
  char *end = line + strlen(line);
  while (end > line && strchr(" \t\r\n", end[-1])) *--end = 0;
  line += strspn(line, " \t");
  if (!*line) return true;
  char *argument = line + strcspn(line, " \t");
  if (*argument) *argument++ = 0;
  argument += strspn(argument, " \t");
  bool has_argument = *argument != 0;
  if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0) return false;
  if (strcmp(line, "/help") == 0) {
    fputs(commands_help, stdout);
  } else if (strcmp(line, "/image") == 0 && has_argument) {
    load_image(c, argument);
  } else if (strcmp(line, "/box") == 0 && has_argument) {
    add_box(c, argument);
  } else if (strcmp(line, "/clear") == 0) {
    if (c->scene) fresh_chat(c);
  } else if (strcmp(line, "/save") == 0) {
    save(c, argument);
  } else if (line[0] == '/') {
    cli_error("%s: wanted /image FILE, /box x1,y1,x2,y2, /clear, /save FILE, /help or /quit",
              line);
  } else {
    if (has_argument) line[strlen(line)] = ' '; /* put the question together again */
    ask(c, line);
  }
  return true;
}

static void read_lines(conversation *c) {
  if (!c->terminal) {
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) >= 0 && handle_line(c, line)) {
    }
    free(line);
    return;
  }
  using_history();
  printf("Ask about the picture; /help lists the commands.\n");
  for (;;) {
    cli_clear_interrupt();
    char *line = readline("> ");
    if (!line && errno == EINTR) {
      putchar('\n');
      errno = 0;
      continue;
    }
    if (!line) break;
    if (*line) add_history(line);
    bool more = handle_line(c, line);
    free(line);
    if (!more) return;
  }
  putchar('\n');
}

int cli_converse(const cli_args *args) {
  conversation c = {.args = args, .turns = json_array(), .terminal = isatty(STDIN_FILENO) != 0};
  if (!cli_box_format_named(args->box_format, &c.format)) {
    cli_error("--box-format: found '%s', wanted xyxy, xywh, xyxyn, cxcywhn or qwen3",
              args->box_format);
    json_decref(c.turns);
    return CLI_USAGE;
  }
  if (args->inputs.n > 1) {
    cli_error("chat: a conversation is about one picture; give questions with -p for several");
    json_decref(c.turns);
    return CLI_USAGE;
  }
  if (args->regions_file || args->draw || args->output || args->resume) {
    cli_error("chat: --regions, --draw, -o and --resume go with questions given by -p; in a "
              "conversation /save writes");
    json_decref(c.turns);
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  int code = cli_open_model(args, 1, &c.model);
  if (code == CLI_DONE && args->inputs.n == 1 && !load_image(&c, args->inputs.items[0]))
    code = cli_interrupted() ? CLI_INTERRUPTED : CLI_SOME_FAILED;
  for (size_t i = 0; code == CLI_DONE && i < args->boxes.n; i++)
    add_box(&c, args->boxes.items[i]);
  if (code == CLI_DONE) read_lines(&c);
  cli_report_free(&c.last);
  forget_boxes(&c);
  gm_chat_free(c.chat);
  gm_scene_free(c.scene);
  gm_image_free(c.image);
  cli_close_model(args, c.model);
  free(c.image_name);
  json_decref(c.turns);
  return code;
}
