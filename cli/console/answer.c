/* answer: decoding, and the one list of which question is answered by which message. */
#include "cli/console/answer.h"

#include <stdio.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/pd.pb-c.h"
#include "schemas/shard.pb-c.h"
#include "schemas/sys.pb-c.h"

const ProtobufCMessageDescriptor *answer_type(enum question question) {
    static const ProtobufCMessageDescriptor *const types[QUESTION_COUNT] = {
        [QUESTION_REPORT] = &sys_report__descriptor,
        [QUESTION_ACTORS] = &sys_report__descriptor,
        [QUESTION_ACTOR] = &sys_actor_view__descriptor,
        [QUESTION_WAITS] = &sys_waits__descriptor,
        [QUESTION_LETTERS] = &sys_letters__descriptor,
        [QUESTION_TAP] = &sys_tapped__descriptor,
        [QUESTION_TRACES] = &sys_traces__descriptor,
        [QUESTION_TRACE] = &sys_trace__descriptor,
        [QUESTION_WORKERS] = &pd_workers__descriptor,
        [QUESTION_COLLECTIONS] = &pd_collections__descriptor,
        [QUESTION_ROUTE] = &pd_routing__descriptor,
        [QUESTION_SHARD] = &shard_state__descriptor,
    };
    return question < QUESTION_COUNT ? types[question] : NULL;
}

static void decode(struct answer *answer, const struct event *event) {
    const ProtobufCMessageDescriptor *type = answer_type(event->question);
    if (!type || (event->size == 0 && event->question == QUESTION_TAP && !event->more)) return;
    unsigned char *body = arena_alloc(&answer->arena, event->size);
    if (body && event->size) memcpy(body, event->body, event->size);
    ProtobufCMessage *message;
    const char *why = "no memory";
    answer->status = body ? codec_decode(type, body, event->size, &answer->arena, &message, &why)
                          : STATUS_NO_MEMORY;
    if (answer->status == STATUS_OK) {
        answer->message = message;
        return;
    }
    answer->status = STATUS_CORRUPT;
    snprintf(answer->text, sizeof answer->text, "its answer is no %s: %s", type->name, why);
}

struct answer *answer_new(const struct event *event) {
    struct answer *answer = mem_zero(1, sizeof *answer);
    if (!answer) return NULL;
    arena_init(&answer->arena, 0);
    answer->refs = 1;
    answer->question = event->question;
    answer->status = event->status;
    answer->at_ms = event->at_ms;
    answer->took_us = event->took_us;
    answer->size = event->size;
    memcpy(answer->text, event->text, sizeof answer->text);
    memcpy(answer->key, event->key, sizeof answer->key);
    if (event->status == STATUS_OK) decode(answer, event);
    return answer;
}

struct answer *answer_hold(struct answer *answer) {
    answer->refs++;
    return answer;
}

void answer_drop(struct answer *answer) {
    if (!answer || --answer->refs > 0) return;
    arena_free(&answer->arena);
    mem_free(answer);
}
