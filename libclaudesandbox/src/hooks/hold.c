/* SPDX-License-Identifier: MIT */
/* Answers that are given later. */
#include <claudesandbox/hooks.h>

#include "hooks/reply.h"

static int check(const csb_reply *reply, csb_error **err) {
    if (reply->state == CSB__REPLY_WATCHED) {
        return csb__fail(err, CSB_ENOTSUP, "who only watches gives no answers");
    }
    if (reply->state != CSB__REPLY_NOW || !reply->asker) {
        return csb__fail(err, CSB_ESTATE, "this answer is held already");
    }
    if (!csb__reply_event(reply->event)) {
        return csb__fail(err, CSB_ENOTSUP, "Claude Code takes no answer to %s",
                         *reply->event ? reply->event : "an event without a name");
    }
    return 0;
}

int csb_reply_hold(csb_reply *reply, csb_reply **ret, csb_error **err) {
    int rc = check(reply, err);
    struct csb__asker *asker = NULL;
    csb_reply *held;

    if (rc != 0) {
        return rc;
    }
    held = calloc(1, sizeof(*held));
    rc = held ? reply->asker->ops->hold(reply->asker, &asker, err) : csb__fail_nomem(err);
    if (rc != 0) {
        free(held);
        return rc;
    }
    *held = *reply;
    held->event = csb__reply_event(reply->event);
    held->state = CSB__REPLY_LATER;
    held->asker = asker;
    *reply = (csb_reply){.event = reply->event, .state = CSB__REPLY_MOVED};
    *ret = held;
    return 0;
}

int csb_reply_send(csb_reply *held, csb_error **err) {
    struct csb__asker *asker;
    bool waited;

    if (!held || held->state != CSB__REPLY_LATER) {
        return csb__fail(err, CSB_EINVAL, "no answer that is held");
    }
    asker = held->asker;
    waited = asker->ops->answer(asker, held);
    asker->ops->free(asker);
    csb__reply_finish(held);
    free(held);
    return waited ? 0 : csb__fail(err, CSB_ENOTFOUND, "Claude does not wait for this any more");
}

int csb_reply_waits(const csb_reply *held) {
    return held && held->state == CSB__REPLY_LATER && held->asker->ops->waits(held->asker);
}
