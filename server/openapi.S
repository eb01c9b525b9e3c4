/* openapi.S - openapi.json in the program. */
        .section .rodata
        .global srv_openapi_begin
        .global srv_openapi_end
srv_openapi_begin:
        .incbin SRV_OPENAPI
srv_openapi_end:
        .section .note.GNU-stack,"",%progbits
