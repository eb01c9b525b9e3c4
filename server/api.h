/* api.h - what the routes do. */
#ifndef SRV_API_H
#define SRV_API_H

#include "routes.h"

/* As llama.cpp's server has them; docs/SERVER.md. */
srv_quick srv_health(srv *server);
srv_quick srv_list_models(srv *server);
srv_quick srv_props(srv *server);
srv_quick srv_list_adapters(srv *server);
srv_quick srv_list_slots(srv *server);
srv_quick srv_list_metrics(srv *server);
/* What can be asked, for programs. */
srv_quick srv_openapi(srv *server);

/* Ours, with the JSON contract of docs/JSON.md. */
extern const srv_work srv_detect, srv_ground, srv_describe, srv_classify, srv_label;
/* As LocalAI has it. */
extern const srv_work srv_detection;
/* As OpenAI has them. */
extern const srv_work srv_chat_completions, srv_responses;
/* As Anthropic has it. */
extern const srv_work srv_messages;
/* As Label Studio wants it of an ML backend; docs/LABEL_STUDIO.md. */
srv_quick srv_ls_health(srv *server);
srv_quick srv_ls_versions(srv *server);
srv_quick srv_ls_metrics(srv *server);
extern const srv_work srv_ls_setup, srv_ls_predict, srv_ls_webhook;

#endif
