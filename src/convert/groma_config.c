/* groma_config.c - see groma_config.h. Members of Groma's own classes, and of transformers'
 * LLaMA, DINOv2 and Deformable DETR, 4.32 to 5.24. */
#include "groma_config.h"

#include "config_tables.h"
#include "groma_dims.h"
#include "tokenizer_json.h"

#define SHAPES "the shapes of the weights tell it"
#define BACKBONE "the proposer has no backbone of its own"
#define AS_BACKBONE "what upstream returns of the encoder when it serves as a backbone"

static const gm_member groma_root[] = {
    GM_ONLY("model_type", "\"groma\"", "null"),
    GM_READ("box_score_thres"),
    GM_READ("nms_thres"),
    GM_READ("max_region_num"),
    GM_SIZE("num_new_token", ADDED_VOCAB),
    GM_HARMLESS("vocab_size", SHAPES),
    GM_HARMLESS("eos_token_id", "that of llm_cfg counts"),
    GM_MEMBERS_END,
};

static const gm_member region[] = {
    GM_READ("image_size"),
    GM_READ("geometry"),
    GM_HARMLESS("num_fuse", SHAPES),
    GM_HARMLESS("region_dim", SHAPES),
    GM_MEMBERS_END,
};

static const gm_member perceiver[] = {
    GM_ONLY("model_type", "\"ddetr\"", "null"),
    GM_READ("vis_output_layer"),
    GM_HARMLESS("zs_weight_path", GM_WHY_TRAINING),
    GM_HARMLESS("eos_token_id", GM_WHY_OF_TEXT),
    GM_MEMBERS_END,
};

static const gm_member encoder[] = {
    GM_ONLY("model_type", "\"dinov2\"", "null"),
    GM_READ("num_hidden_layers"),
    GM_READ("num_attention_heads"),
    GM_READ("layer_norm_eps"),
    GM_SIZE("hidden_size", VIT_DIM),
    GM_SIZE("patch_size", PATCH),
    GM_HARMLESS("mlp_ratio", SHAPES),
    GM_HARMLESS("image_size", "the positions are resized to region_cfg.image_size"),
    GM_HARMLESS("layerscale_value", GM_WHY_INITIAL),
    GM_HARMLESS("hidden_dropout_prob", GM_WHY_TRAINING),
    GM_HARMLESS("attention_probs_dropout_prob", GM_WHY_TRAINING),
    GM_HARMLESS("drop_path_rate", GM_WHY_TRAINING),
    GM_HARMLESS("use_mask_token", GM_WHY_TRAINING),
    GM_HARMLESS("stage_names", AS_BACKBONE),
    GM_HARMLESS("out_features", AS_BACKBONE),
    GM_HARMLESS("out_indices", AS_BACKBONE),
    GM_HARMLESS("_out_features", AS_BACKBONE),
    GM_HARMLESS("_out_indices", AS_BACKBONE),
    GM_HARMLESS("apply_layernorm", AS_BACKBONE),
    GM_HARMLESS("reshape_hidden_states", AS_BACKBONE),
    GM_HARMLESS("eos_token_id", GM_WHY_OF_TEXT),
    GM_ONLY("hidden_act", "\"gelu\""),
    GM_ONLY("num_channels", "3"),
    GM_ONLY("qkv_bias", "true"),
    GM_OFF("use_swiglu_ffn"),
    GM_MEMBERS_END,
};

static const gm_member proposer[] = {
    GM_ONLY("model_type", "\"deformable_detr\"", "null"),
    GM_READ("encoder_layers"),
    GM_READ("decoder_layers"),
    GM_READ("encoder_attention_heads"),
    GM_READ("decoder_attention_heads"),
    GM_READ("num_feature_levels"),
    GM_READ("two_stage_num_proposals"),
    GM_HARMLESS("num_hidden_layers", "encoder_layers by another name"),
    GM_SIZE("d_model", PROP_DIM),
    GM_SIZE("encoder_ffn_dim", ENC_FFN),
    GM_SIZE("decoder_ffn_dim", DEC_FFN),
    GM_SIZE("num_queries", QUERIES),
    GM_HARMLESS("encoder_n_points", SHAPES),
    GM_HARMLESS("decoder_n_points", SHAPES),
    GM_ONLY("activation_function", "\"relu\""),
    GM_ONLY("position_embedding_type", "\"sine\""),
    GM_ONLY("two_stage", "true"),
    GM_ONLY("with_box_refine", "true"),
    GM_HARMLESS("max_position_embeddings", "sines need no table"),
    GM_HARMLESS("return_intermediate", GM_WHY_OUTPUTS),
    GM_HARMLESS("disable_custom_kernels", GM_WHY_SPEED),
    GM_HARMLESS("dropout", GM_WHY_TRAINING),
    GM_HARMLESS("attention_dropout", GM_WHY_TRAINING),
    GM_HARMLESS("activation_dropout", GM_WHY_TRAINING),
    GM_HARMLESS("encoder_layerdrop", GM_WHY_TRAINING),
    GM_HARMLESS("decoder_layerdrop", GM_WHY_TRAINING),
    GM_HARMLESS("init_std", GM_WHY_TRAINING),
    GM_HARMLESS("init_xavier_std", GM_WHY_TRAINING),
    GM_HARMLESS("auxiliary_loss", GM_WHY_TRAINING),
    GM_HARMLESS("*_cost", GM_WHY_TRAINING),
    GM_HARMLESS("*_loss_coefficient", GM_WHY_TRAINING),
    GM_HARMLESS("eos_coefficient", GM_WHY_TRAINING),
    GM_HARMLESS("focal_alpha", GM_WHY_TRAINING),
    GM_HARMLESS("num_channels", BACKBONE),
    GM_HARMLESS("backbone", BACKBONE),
    GM_HARMLESS("backbone_*", BACKBONE),
    GM_HARMLESS("use_timm_backbone", BACKBONE),
    GM_HARMLESS("use_pretrained_backbone", BACKBONE),
    GM_HARMLESS("dilation", BACKBONE),
    GM_HARMLESS("eos_token_id", GM_WHY_OF_TEXT),
    GM_MEMBERS_END,
};

static const gm_member language[] = {
    GM_ONLY("model_type", "\"llama\"", "null"),
    GM_READ("num_hidden_layers"),
    GM_READ("num_attention_heads"),
    GM_READ("num_key_value_heads"),
    GM_READ("max_position_embeddings"),
    GM_READ("rms_norm_eps"),
    GM_READ("rope_theta"),
    GM_READ("head_dim"),
    GM_SIZE("hidden_size", LLM_DIM),
    GM_SIZE("intermediate_size", LLM_FFN),
    GM_SIZE("vocab_size", BASE_VOCAB),
    GM_ONLY("hidden_act", "\"silu\""),
    GM_ONLY("bos_token_id", "1", "null"),
    GM_ONLY("eos_token_id", "2", "null"),
    GM_OFF("tie_word_embeddings"),
    GM_OFF("attention_bias"),
    GM_OFF("mlp_bias"),
    GM_NULL("rope_scaling"),
    GM_HARMLESS("attention_dropout", GM_WHY_TRAINING),
    GM_HARMLESS("pretraining_tp", GM_WHY_SPEED),
    GM_MEMBERS_END,
};

/* transformers 5 */
static const gm_member rope[] = {
    GM_READ("rope_theta"),
    GM_ONLY("rope_type", "\"default\""),
    GM_ONLY("type", "\"default\""),
    GM_ONLY("partial_rotary_factor", "1"),
    GM_MEMBERS_END,
};

static const gm_config_rows config_rows[] = {
    {"", groma_root},
    GM_COMMON_ROWS(""),
    {"region_cfg", region},
    {"perceiver_cfg", perceiver},
    GM_COMMON_ROWS("perceiver_cfg"),
    {"perceiver_cfg.vis_encoder_cfg", encoder},
    GM_COMMON_ROWS("perceiver_cfg.vis_encoder_cfg"),
    {"perceiver_cfg.ddetr_cfg", proposer},
    GM_COMMON_ROWS("perceiver_cfg.ddetr_cfg"),
    {"llm_cfg", language},
    GM_COMMON_ROWS("llm_cfg"),
    {"llm_cfg.rope_parameters", rope},
};

static const gm_member generation[] = {
    GM_ONLY("bos_token_id", "1", "null"),
    GM_ONLY("eos_token_id", "2", "[2]", "null"),
    GM_HARMLESS("pad_token_id", GM_WHY_IDS),
    GM_HARMLESS("transformers_version", "who wrote the file"),
    GM_HARMLESS("use_cache", GM_WHY_SPEED),
    GM_HARMLESS("output_attentions", GM_WHY_OUTPUTS),
    GM_HARMLESS("output_hidden_states", GM_WHY_OUTPUTS),
    GM_MEMBERS_END,
};
static const gm_config_rows generation_rows[] = {
    {"", generation},
    {"", gm_generation_members},
};

static const gm_member tokens[] = GM_SPECIAL_TOKEN_MEMBERS("\"<s>\"", "\"</s>\"", "\"<unk>\"");

/* The slow tokenizer's behaviour, which Groma was trained with. "legacy": false differs in a
 * space after an added token, and a tool may have written it by mistake. */
static const gm_member tokenizer[] = {
    GM_ONLY("tokenizer_class", "\"LlamaTokenizer\"", "\"LlamaTokenizerFast\"", "null"),
    GM_HABIT("legacy", "true", "null"),
    GM_ONLY("add_bos_token", "true", "null"),
    GM_ONLY("add_prefix_space", "true", "null"),
    GM_ONLY("sp_model_kwargs", "{}", "null"),
    GM_HARMLESS("from_slow", "how the file was made"),
    GM_MEMBERS_END,
};

static const gm_config_rows special_rows[] = {{"", tokens}};
static const gm_config_rows tokenizer_rows[] = {
    {"", tokens},
    {"", tokenizer},
    {"", gm_tokenizer_members},
};

const gm_config_file gm_groma_files[GM_GROMA_CONFIGS] = {
    GM_CONFIG(GM_MODEL_CONFIG, config_rows, NULL),
    GM_CONFIG(GM_PREPROCESSOR_CONFIG, gm_preprocessor_rows, NULL),
    GM_CONFIG(GM_PROCESSOR_CONFIG, gm_processor_rows, NULL),
    GM_CONFIG(GM_GENERATION_CONFIG, generation_rows, NULL),
    GM_CONFIG(GM_SPECIAL_TOKENS, special_rows, NULL),
    GM_CONFIG(GM_TOKENIZER_CONFIG, tokenizer_rows, NULL),
    GM_CONFIG(GM_ADDED_TOKENS, gm_added_rows, NULL),
    GM_CONFIG(GM_TOKENIZER_JSON, gm_llama_tokenizer_rows, NULL),
};
