/* SPDX-License-Identifier: MIT */
/* An answer is one JSON object on one line that says what was put into it, or an error. The first
 * byte: the event; the second: what is answered. */
#include "fuzz.h"
#include "hooks/reply.h"

static int answer(csb_reply *r, unsigned how, const char *text, csb_error **err) {
    switch (how % 6) {
    case 0:
        return csb_reply_allow(r, err);
    case 1:
        return csb_reply_deny(r, text, err);
    case 2:
        return csb_reply_ask(r, text, err);
    case 3:
        return csb_reply_block(r, text, err);
    case 4:
        return csb_reply_context(r, text, err);
    default:
        return csb_reply_input(r, text, err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"PreToolUse", "PermissionRequest", "Stop", "Setup"};
    csb_reply r = {.event = names[fuzz_byte(&data, &size) % 4]};
    unsigned how = fuzz_byte(&data, &size);
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOSTRBUF out = CSB__STRBUF_INIT;
    CSB__AUTOJSON *json = NULL;
    csb_error *err = NULL;

    fuzz_good(answer(&r, how, text, &err), err);
    (void)answer(&r, how / 6, text, NULL);
    csb__reply_format(&r, &out);
    MUST(!out.failed && csb__json_parse(out.data, out.len, &json, NULL) == 0);
    MUST(!strchr(out.data, '\n'));
    csb__reply_finish(&r);
    return 0;
}
