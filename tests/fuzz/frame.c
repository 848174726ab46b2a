/* SPDX-License-Identifier: MIT */
/* What the hooks server and its subscribers read from each other; and an answer that was understood,
 * written anew, says the same. */
#include "fuzz.h"
#include "hooks/frame.h"

static void check_answer(const struct csb__frame *f) {
    csb_reply one = {.event = "PreToolUse"};
    csb_reply two = {.event = "PreToolUse"};
    CSB__AUTOSTRBUF first = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF second = CSB__STRBUF_INIT;
    struct csb__frame again;

    if (csb__frame_answer(f, &one)) {
        csb__frame_add_answer(&first, f->id, &one);
        MUST(csb__frame_read(first.data, first.len, &again) == (ssize_t)first.len);
        MUST(csb__frame_answer(&again, &two) && again.id == f->id);
        csb__frame_add_answer(&second, f->id, &two);
        MUST(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    }
    csb__reply_finish(&one);
    csb__reply_finish(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__frame_event e;
    struct csb__frame f;
    unsigned byte;
    ssize_t n = csb__frame_read((const char *)data, size, &f);

    MUST(n >= -1 && n <= (ssize_t)size);
    if (n > 0) {
        (void)csb__frame_byte(&f, &byte);
        MUST(!csb__frame_event(&f, &e) || (strlen(e.vm) < size && strlen(e.json) == e.json_len));
        check_answer(&f);
    }
    return 0;
}
