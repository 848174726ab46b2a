/* SPDX-License-Identifier: MIT */
/* The lines that a guest's agent writes: only an answer to a request of ours is one. */
#include "engine/qemu/control.c"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__env env = {.cancel_pipe = {-1, -1}, .deadline = -1};
    struct control c = {.env = &env, .fd = -1, .id = 3};
    size_t piece = fuzz_byte(&data, &size) + 1U;
    bool ok = false;

    for (size_t at = 0; at < size && !ok; at += piece) {
        csb__strbuf_add(&c.in, data + at, piece < size - at ? piece : size - at);
        ok = take_lines(&c);
        MUST(c.in.len <= LINE_LIMIT || ok);
    }
    MUST(!ok || memmem(data, size, "ok", 2));
    control_close(&c);
    return 0;
}
