"""The C interface for ctypes. Made by scripts/python-abi.py from the headers; do not edit."""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int32,
                    c_size_t, c_uint, c_uint32, c_uint64, c_void_p)

GM_NONE = 4294967295

# gm_status
GM_OK = 0
GM_ERR_ARGUMENT = 1
GM_ERR_FILE_NOT_FOUND = 2
GM_ERR_IO = 3
GM_ERR_MODEL = 4
GM_ERR_IMAGE_UNSUPPORTED = 5
GM_ERR_IMAGE_TRUNCATED = 6
GM_ERR_IMAGE_TOO_LARGE = 7
GM_ERR_MEMORY = 8
GM_ERR_CONTEXT_FULL = 9
GM_ERR_CANCELLED = 10
GM_ERR_BUSY = 11
GM_ERR_TIMEOUT = 12

# gm_method
GM_METHOD_WCA = 0
GM_METHOD_WCA_RELEASED = 1
GM_METHOD_CLIP = 2
GM_METHOD_CLIP_E = 3
GM_METHOD_CLIP_D = 4
GM_METHOD_WAFFLE = 5
GM_METHOD_CUPL = 6

# gm_event_type
GM_EVENT_PROGRESS = 1
GM_EVENT_TEXT = 2
GM_EVENT_PHRASE = 3
GM_EVENT_DONE = 4

# gm_image_format
GM_FORMAT_PNG = 0
GM_FORMAT_JPEG = 1


class gm_error(Structure):
    _fields_ = [
        ("status", c_int),
        ("message", c_char * 1024),
    ]


class gm_callbacks(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("user", c_void_p),
        ("cancelled", CFUNCTYPE(c_bool, c_void_p)),
        ("progress", CFUNCTYPE(None, c_void_p, c_char_p, c_double)),
        ("text", CFUNCTYPE(None, c_void_p, c_char_p, c_size_t)),
    ]


class gm_engine_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_uint),
        ("queue", c_uint32),
        ("memory", c_uint64),
        ("kept_scenes", c_uint32),
    ]


class gm_engine_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_uint),
        ("queue", c_uint32),
        ("waiting", c_uint32),
        ("running", c_uint32),
        ("memory", c_uint64),
        ("memory_used", c_uint64),
        ("scenes", c_uint32),
    ]


class gm_adapter_use(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("path", c_char_p),
        ("scale", c_float),
        ("off", c_bool),
    ]


class gm_adapter_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("path", c_char_p),
        ("sha256", c_char_p),
        ("scale", c_float),
        ("other_base", c_bool),
        ("pairs", c_uint32),
        ("differences", c_uint32),
    ]


class gm_model_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("engine", c_void_p),
        ("threads", c_uint),
        ("no_mmap", c_bool),
        ("mlock", c_bool),
        ("context", c_uint32),
        ("cache_type_k", c_char_p),
        ("cache_type_v", c_char_p),
        ("fast", c_bool),
        ("cache", c_char_p),
        ("cache_bytes", c_uint64),
        ("no_scenes", c_bool),
        ("no_pack", c_bool),
        ("adapters", POINTER(gm_adapter_use)),
        ("n_adapters", c_size_t),
    ]


class gm_model_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("path", c_char_p),
        ("type", c_char_p),
        ("kernels", c_char_p),
        ("threads", c_uint),
        ("image_size", c_uint32),
        ("max_regions", c_uint32),
        ("context", c_uint32),
        ("cache_type_k", c_char_p),
        ("cache_type_v", c_char_p),
        ("scope", c_char_p),
        ("head_clip", c_char_p),
        ("calibrated", c_bool),
    ]


class gm_cache_refusal(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("path", c_char_p),
        ("why", c_char_p),
    ]


class gm_image_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_pixels", c_uint64),
        ("max_bytes", c_uint64),
    ]


class gm_box(Structure):
    _fields_ = [
        ("x1", c_float),
        ("y1", c_float),
        ("x2", c_float),
        ("y2", c_float),
    ]


class gm_region(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("box", gm_box),
        ("score", c_float),
        ("index", c_int32),
        ("share", c_float),
    ]


class gm_answer(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("text", c_char_p),
        ("raw", c_char_p),
        ("n_groundings", c_size_t),
        ("ids", POINTER(c_int32)),
        ("n_ids", c_size_t),
        ("complete", c_bool),
    ]


class gm_grounding(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("phrase", c_char_p),
        ("span_begin", c_size_t),
        ("span_end", c_size_t),
        ("n_regions", c_size_t),
        ("present", c_float),
        ("calibrated", c_bool),
    ]


class gm_scene_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("box_score_thres", c_float),
        ("nms_thres", c_float),
        ("max_regions", c_uint32),
        ("regions", POINTER(gm_box)),
        ("region_scores", POINTER(c_float)),
        ("n_regions", c_size_t),
        ("append_boxes", c_bool),
        ("shuffle_seed", c_uint64),
    ]


class gm_timing(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("stage", c_char_p),
        ("seconds", c_double),
    ]


class gm_ask_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_tokens", c_uint32),
        ("temperature", c_float),
        ("top_k", c_uint32),
        ("top_p", c_float),
        ("seed", c_uint64),
        ("boxes", POINTER(gm_box)),
        ("n_boxes", c_size_t),
        ("grounding", c_bool),
        ("no_grounding", c_bool),
        ("verbatim", c_bool),
    ]


class gm_given_phrase(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("span_begin", c_size_t),
        ("span_end", c_size_t),
        ("regions", POINTER(c_int32)),
        ("n_regions", c_size_t),
    ]


class gm_given(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("text", c_char_p),
        ("verbatim", c_bool),
        ("phrases", POINTER(gm_given_phrase)),
        ("n_phrases", c_size_t),
    ]


class gm_ground_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("all", c_bool),
        ("free", c_bool),
        ("max_det", c_uint32),
        ("min_score", c_float),
        ("clip", c_void_p),
        ("image", c_void_p),
        ("min_present", c_float),
    ]


class gm_ground_result(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("n_regions", c_size_t),
        ("raw", c_char_p),
        ("margin", c_float),
        ("n_left_out", c_size_t),
        ("present", c_float),
        ("calibrated", c_bool),
    ]


class gm_clip_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("engine", c_void_p),
        ("threads", c_uint),
        ("no_mmap", c_bool),
        ("mlock", c_bool),
        ("fast", c_bool),
        ("cache", c_char_p),
        ("cache_bytes", c_uint64),
        ("adapters", POINTER(gm_adapter_use)),
        ("n_adapters", c_size_t),
    ]


class gm_clip_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("path", c_char_p),
        ("type", c_char_p),
        ("kernels", c_char_p),
        ("threads", c_uint),
        ("image_size", c_uint32),
        ("features", c_uint32),
        ("context", c_uint32),
        ("logit_scale", c_float),
        ("scope", c_char_p),
        ("calibrated", c_bool),
    ]


class gm_classes_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("method", c_int),
        ("names", POINTER(c_char_p)),
        ("n_names", c_size_t),
        ("descriptions", c_char_p),
        ("templates", c_char_p),
        ("descriptors", c_char_p),
        ("words", c_char_p),
        ("seed", c_uint64),
        ("text_scale", c_float),
        ("dedup", c_float),
    ]


class gm_view_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("method", c_int),
        ("part", POINTER(gm_box)),
        ("crops", c_uint32),
        ("alpha", c_float),
        ("beta", c_float),
        ("seed", c_uint64),
        ("dedup", c_float),
        ("boxes", POINTER(gm_box)),
        ("n_boxes", c_size_t),
        ("cache", c_bool),
    ]


class gm_classify_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("image_scale", c_float),
        ("draws", c_uint32),
        ("redraws", c_uint32),
        ("seed", c_uint64),
        ("stop", c_double),
        ("top", c_size_t),
        ("region_scores", POINTER(c_float)),
        ("limits", POINTER(c_float)),
        ("min_present", c_float),
    ]


class gm_classification(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("n_labels", c_size_t),
        ("n_crops", c_size_t),
        ("present", c_float),
        ("calibrated", c_bool),
        ("none", c_bool),
    ]


class gm_label(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("class_index", c_size_t),
        ("name", c_char_p),
        ("score", c_float),
        ("raw_score", c_float),
    ]


class gm_explanation(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("raw_score", c_float),
        ("n_crops", c_size_t),
        ("n_texts", c_size_t),
        ("against", c_char_p),
        ("against_raw_score", c_float),
        ("lead", c_float),
        ("n_against_texts", c_size_t),
    ]


class gm_crop_share(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("box", gm_box),
        ("weight", c_float),
        ("share", c_float),
        ("lead", c_float),
    ]


class gm_text_share(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("text", c_char_p),
        ("weight", c_float),
        ("share", c_float),
        ("lead", c_float),
    ]


class gm_event(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("type", c_int),
        ("stage", c_char_p),
        ("done", c_double),
        ("text", c_char_p),
        ("length", c_size_t),
        ("span_begin", c_size_t),
        ("span_end", c_size_t),
        ("n_regions", c_size_t),
        ("status", c_int),
        ("own", c_void_p),
        ("present", c_float),
        ("calibrated", c_bool),
    ]


class gm_request_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("timeout", c_double),
        ("event", CFUNCTYPE(None, c_void_p, POINTER(gm_event))),
        ("user", c_void_p),
    ]


class gm_usage(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("prompt", c_uint64),
        ("cached", c_uint64),
        ("generated", c_uint64),
    ]


class gm_mark(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("box", gm_box),
        ("label", c_char_p),
        ("colour", c_int32),
    ]


class gm_span_colour(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("begin", c_size_t),
        ("end", c_size_t),
        ("colour", c_int32),
    ]


class gm_draw_params(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("marks", POINTER(gm_mark)),
        ("n_marks", c_size_t),
        ("caption", c_char_p),
        ("spans", POINTER(gm_span_colour)),
        ("n_spans", c_size_t),
        ("explanation", POINTER(gm_explanation)),
        ("label", POINTER(gm_label)),
    ]


# name: (result, [arguments])
FUNCTIONS = {
    "gm_status_name": (c_char_p, [c_int]),
    "gm_version": (c_char_p, []),
    "gm_abi_version": (c_uint32, []),
    "gm_text_import": (c_int, [c_char_p, POINTER(c_size_t), c_char_p, POINTER(gm_error)]),
    "gm_text_next": (c_size_t, [c_char_p, c_size_t, POINTER(c_uint32), POINTER(c_bool)]),
    "gm_name_compare": (c_int, [c_char_p, c_char_p]),
    "gm_sha256": (None, [c_void_p, c_size_t, POINTER(c_char)]),
    "gm_engine_create": (c_int, [POINTER(c_void_p), POINTER(gm_engine_params), POINTER(gm_error)]),
    "gm_engine_free": (None, [c_void_p]),
    "gm_engine_get_info": (c_int, [c_void_p, POINTER(gm_engine_info), POINTER(gm_error)]),
    "gm_model_open": (c_int, [POINTER(c_void_p), c_char_p, POINTER(gm_model_params), POINTER(gm_error)]),
    "gm_model_free": (None, [c_void_p]),
    "gm_model_get_info": (c_int, [c_void_p, POINTER(gm_model_info), POINTER(gm_error)]),
    "gm_model_refusal_at": (c_int, [c_void_p, c_size_t, POINTER(gm_cache_refusal)]),
    "gm_model_adapter_at": (c_int, [c_void_p, c_size_t, POINTER(gm_adapter_info)]),
    "gm_model_sha256": (c_int, [c_void_p, POINTER(c_char), POINTER(gm_callbacks), POINTER(gm_error)]),
    "gm_image_open": (c_int, [POINTER(c_void_p), c_char_p, POINTER(gm_image_params), POINTER(gm_error)]),
    "gm_image_from_memory": (c_int, [POINTER(c_void_p), c_void_p, c_size_t, POINTER(gm_image_params),
                            POINTER(gm_error)]),
    "gm_image_from_rgb": (c_int, [POINTER(c_void_p), c_void_p, c_uint32, c_uint32, POINTER(gm_error)]),
    "gm_image_width": (c_uint32, [c_void_p]),
    "gm_image_height": (c_uint32, [c_void_p]),
    "gm_image_rgb": (c_void_p, [c_void_p]),
    "gm_image_free": (None, [c_void_p]),
    "gm_answer_free": (None, [POINTER(gm_answer)]),
    "gm_answer_grounding_at": (c_int, [POINTER(gm_answer), c_size_t, POINTER(gm_grounding)]),
    "gm_answer_region_at": (c_int, [POINTER(gm_answer), c_size_t, c_size_t, POINTER(gm_region)]),
    "gm_scene_create": (c_int, [POINTER(c_void_p), c_void_p, c_void_p, POINTER(gm_scene_params), POINTER(gm_callbacks),
                       POINTER(gm_error)]),
    "gm_scene_free": (None, [c_void_p]),
    "gm_scene_region_count": (c_size_t, [c_void_p]),
    "gm_scene_region_at": (c_int, [c_void_p, c_size_t, POINTER(gm_region)]),
    "gm_scene_region_unclipped": (c_int, [c_void_p, c_int32, POINTER(gm_box)]),
    "gm_scene_unlikeness": (c_float, [c_void_p]),
    "gm_scene_bytes": (c_uint64, [c_void_p]),
    "gm_scene_timing_at": (c_int, [c_void_p, c_size_t, POINTER(gm_timing)]),
    "gm_ask": (c_int, [c_void_p, POINTER(c_char_p), POINTER(gm_ask_params), c_size_t, POINTER(gm_callbacks),
              POINTER(POINTER(gm_answer)), POINTER(gm_error)]),
    "gm_caption": (c_int, [c_void_p, POINTER(gm_ask_params), POINTER(gm_callbacks), POINTER(POINTER(gm_answer)),
                  POINTER(gm_error)]),
    "gm_captions": (c_int, [POINTER(c_void_p), c_size_t, POINTER(gm_ask_params), POINTER(gm_callbacks),
                   POINTER(POINTER(gm_answer)), POINTER(gm_error)]),
    "gm_chat_create": (c_int, [POINTER(c_void_p), c_void_p, POINTER(gm_error)]),
    "gm_chat_ask": (c_int, [c_void_p, c_char_p, POINTER(gm_ask_params), POINTER(gm_callbacks),
                   POINTER(POINTER(gm_answer)), POINTER(gm_error)]),
    "gm_chat_give": (c_int, [c_void_p, c_char_p, POINTER(gm_ask_params), POINTER(gm_given), POINTER(gm_callbacks),
                    POINTER(POINTER(gm_answer)), POINTER(gm_error)]),
    "gm_chat_free": (None, [c_void_p]),
    "gm_describe": (c_int, [c_void_p, POINTER(gm_box), c_size_t, c_bool, POINTER(gm_ask_params), POINTER(gm_callbacks),
                   POINTER(POINTER(gm_answer)), POINTER(gm_error)]),
    "gm_ground_region_at": (c_int, [POINTER(gm_ground_result), c_size_t, POINTER(gm_region)]),
    "gm_ground_result_free": (None, [POINTER(gm_ground_result)]),
    "gm_ground": (c_int, [c_void_p, POINTER(c_char_p), c_size_t, POINTER(gm_ground_params), POINTER(gm_callbacks),
                 POINTER(POINTER(gm_ground_result)), POINTER(gm_error)]),
    "gm_clip_open": (c_int, [POINTER(c_void_p), c_char_p, POINTER(gm_clip_params), POINTER(gm_error)]),
    "gm_clip_free": (None, [c_void_p]),
    "gm_clip_get_info": (c_int, [c_void_p, POINTER(gm_clip_info), POINTER(gm_error)]),
    "gm_clip_refusal_at": (c_int, [c_void_p, c_size_t, POINTER(gm_cache_refusal)]),
    "gm_clip_adapter_at": (c_int, [c_void_p, c_size_t, POINTER(gm_adapter_info)]),
    "gm_clip_sha256": (c_int, [c_void_p, POINTER(c_char), POINTER(gm_callbacks), POINTER(gm_error)]),
    "gm_clip_encode_texts": (c_int, [c_void_p, POINTER(c_char_p), c_size_t, POINTER(c_float), POINTER(gm_callbacks),
                            POINTER(gm_error)]),
    "gm_clip_encode_boxes": (c_int, [c_void_p, c_void_p, POINTER(gm_box), c_size_t, POINTER(c_float),
                            POINTER(gm_callbacks), POINTER(gm_error)]),
    "gm_method_name": (c_char_p, [c_int]),
    "gm_method_named": (c_bool, [c_char_p, POINTER(c_int)]),
    "gm_classes_create": (c_int, [POINTER(c_void_p), c_void_p, POINTER(gm_classes_params), POINTER(gm_callbacks),
                         POINTER(gm_error)]),
    "gm_classes_free": (None, [c_void_p]),
    "gm_classes_count": (c_size_t, [c_void_p]),
    "gm_classes_name": (c_char_p, [c_void_p, c_size_t]),
    "gm_view_create": (c_int, [POINTER(c_void_p), c_void_p, c_void_p, POINTER(gm_view_params), POINTER(gm_error)]),
    "gm_view_free": (None, [c_void_p]),
    "gm_view_crop_count": (c_size_t, [c_void_p]),
    "gm_view_crop_at": (c_int, [c_void_p, c_size_t, POINTER(gm_box)]),
    "gm_classify": (c_int, [c_void_p, c_void_p, POINTER(gm_classify_params), POINTER(gm_callbacks),
                   POINTER(POINTER(gm_classification)), POINTER(gm_error)]),
    "gm_label_at": (c_int, [POINTER(gm_classification), c_size_t, POINTER(gm_label)]),
    "gm_classification_free": (None, [POINTER(gm_classification)]),
    "gm_label_regions": (c_int, [c_void_p, c_void_p, POINTER(gm_box), c_size_t, c_void_p, POINTER(gm_view_params),
                        POINTER(gm_classify_params), POINTER(gm_callbacks), POINTER(POINTER(gm_classification)),
                        POINTER(gm_error)]),
    "gm_explain": (c_int, [c_void_p, c_void_p, c_size_t, POINTER(gm_classify_params), POINTER(gm_callbacks),
                  POINTER(POINTER(gm_explanation)), POINTER(gm_error)]),
    "gm_explain_against": (c_int, [c_void_p, c_void_p, c_size_t, c_size_t, POINTER(gm_classify_params),
                          POINTER(gm_callbacks), POINTER(POINTER(gm_explanation)), POINTER(gm_error)]),
    "gm_crop_share_at": (c_int, [POINTER(gm_explanation), c_size_t, POINTER(gm_crop_share)]),
    "gm_text_share_at": (c_int, [POINTER(gm_explanation), c_size_t, POINTER(gm_text_share)]),
    "gm_against_text_share_at": (c_int, [POINTER(gm_explanation), c_size_t, POINTER(gm_text_share)]),
    "gm_explanation_free": (None, [POINTER(gm_explanation)]),
    "gm_event_region_at": (c_int, [POINTER(gm_event), c_size_t, POINTER(gm_region)]),
    "gm_request_scene": (c_int, [POINTER(c_void_p), c_void_p, c_void_p, POINTER(gm_scene_params),
                        POINTER(gm_request_params), POINTER(gm_error)]),
    "gm_request_ask": (c_int, [POINTER(c_void_p), c_void_p, c_char_p, POINTER(gm_ask_params),
                      POINTER(gm_request_params), POINTER(gm_error)]),
    "gm_request_caption": (c_int, [POINTER(c_void_p), c_void_p, POINTER(gm_ask_params), POINTER(gm_request_params),
                          POINTER(gm_error)]),
    "gm_request_describe": (c_int, [POINTER(c_void_p), c_void_p, POINTER(gm_box), c_bool, POINTER(gm_ask_params),
                           POINTER(gm_request_params), POINTER(gm_error)]),
    "gm_request_chat": (c_int, [POINTER(c_void_p), c_void_p, c_char_p, POINTER(gm_ask_params),
                       POINTER(gm_request_params), POINTER(gm_error)]),
    "gm_request_give": (c_int, [POINTER(c_void_p), c_void_p, c_char_p, POINTER(gm_ask_params), POINTER(gm_given),
                       POINTER(gm_request_params), POINTER(gm_error)]),
    "gm_request_ground": (c_int, [POINTER(c_void_p), c_void_p, POINTER(c_char_p), c_size_t, POINTER(gm_ground_params),
                         POINTER(gm_request_params), POINTER(gm_error)]),
    "gm_request_classify": (c_int, [POINTER(c_void_p), c_void_p, c_void_p, POINTER(gm_classify_params),
                           POINTER(gm_request_params), POINTER(gm_error)]),
    "gm_request_label": (c_int, [POINTER(c_void_p), c_void_p, c_void_p, POINTER(gm_box), c_size_t, c_void_p,
                        POINTER(gm_view_params), POINTER(gm_classify_params), POINTER(gm_request_params),
                        POINTER(gm_error)]),
    "gm_request_next_event": (c_int, [c_void_p, c_double, POINTER(gm_event)]),
    "gm_request_wait": (c_bool, [c_void_p, c_double]),
    "gm_request_cancel": (None, [c_void_p]),
    "gm_request_take_scene": (c_int, [c_void_p, POINTER(c_void_p), POINTER(gm_error)]),
    "gm_request_take_answer": (c_int, [c_void_p, POINTER(POINTER(gm_answer)), POINTER(gm_error)]),
    "gm_request_take_ground_results": (c_int, [c_void_p, POINTER(POINTER(gm_ground_result)), c_size_t,
                                      POINTER(gm_error)]),
    "gm_request_take_classifications": (c_int, [c_void_p, POINTER(POINTER(gm_classification)), c_size_t,
                                       POINTER(gm_error)]),
    "gm_request_usage": (c_int, [c_void_p, POINTER(gm_usage)]),
    "gm_request_free": (None, [c_void_p]),
}


# name: (result, [arguments])
TOOLS = {
    "gm_draw_to_memory": (c_int, [c_void_p, POINTER(gm_draw_params), c_int, POINTER(c_void_p), POINTER(c_size_t),
                         POINTER(gm_error)]),
    "gm_bytes_free": (None, [c_void_p]),
}
