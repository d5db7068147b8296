/* The agent's file, inside the inspector's. AGENT is its path. */
        .section .rodata
        .globl agent_image, agent_image_end
        .balign 16
agent_image:
        .incbin AGENT
agent_image_end:
        .section .note.GNU-stack,"",@progbits
