/* embedded_files.S - the bytes of embedded_files.c. The build gives the paths. */
        .section .rodata

        .macro embed symbol, path
        .balign 64
        .hidden \symbol
        .global \symbol
\symbol:
        .incbin "\path"
        .hidden \symbol\()_end
        .global \symbol\()_end
\symbol\()_end:
        .byte 0
        .endm

        embed gm_groma_mini, GM_GROMA_MINI
        embed gm_clip_mini, GM_CLIP_MINI
        embed gm_clip_merges, GM_CLIP_MERGES
        embed gm_llama_tokenizer_model, GM_LLAMA_TOKENIZER
        embed gm_groma_added_tokens, GM_GROMA_ADDED_TOKENS

        .section .note.GNU-stack, "", %progbits
