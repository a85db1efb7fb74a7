/* model: processes and their answers. Names of processes come from outside and need not differ: a
 * label is a name made unique by the end of the address. */
#include "cli/console/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/handle.h"
#include "runtime/memory.h"

/* --- life --- */

void model_init(struct model *model) {
    *model = (struct model){0};
}

static void drop_tapped(struct model *model) {
    for (size_t i = 0; i < model->n_tapped; i++)
        answer_drop(model->tapped[(model->tapped_first + i) % MODEL_TAPPED_MAX].answer);
    model->n_tapped = model->tapped_first = 0;
    model->tap_matched = model->tap_skipped = 0;
}

static void free_process(struct process *process) {
    while (process->answers) {
        struct answer *answer = process->answers;
        process->answers = answer->next;
        answer_drop(answer);
    }
    answer_drop(process->held);
    answer_drop(process->roster);
    mem_free(process);
}

void model_free(struct model *model) {
    for (size_t i = 0; i < model->n_processes; i++)
        free_process(model->processes[i]);
    drop_tapped(model);
    model_init(model);
}

/* Numbers stay with addresses, so that what is picked stays picked. */
void model_reset(struct model *model) {
    model_free(model);
}

/* --- finding --- */

/* FNV-1a: the same address has the same number in every life of the model. */
static uint64_t number_of(const char *address) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *address; address++)
        hash = (hash ^ (unsigned char)*address) * UINT64_C(0x100000001b3);
    return hash | 1;
}

struct process *model_process(const struct model *model, const char *address) {
    uint64_t number = number_of(address);
    for (size_t i = 0; i < model->n_processes; i++)
        if (model->processes[i]->number == number &&
            strcmp(model->processes[i]->address, address) == 0)
            return model->processes[i];
    return NULL;
}

const struct process *model_by_number(const struct model *model, uint64_t number) {
    for (size_t i = 0; i < model->n_processes; i++)
        if (model->processes[i]->number == number) return model->processes[i];
    return NULL;
}

const struct answer *
model_answer(const struct process *process, enum question question, const char *key) {
    for (const struct answer *answer = process->answers; answer; answer = answer->next)
        if (answer->question == question && (!key || strcmp(answer->key, key) == 0)) return answer;
    return NULL;
}

const void *model_message(const struct process *process, enum question question, const char *key) {
    const struct answer *answer = model_answer(process, question, key);
    return answer && answer->status == STATUS_OK ? answer->message : NULL;
}

const struct actor_row *model_actor(const struct process *process, const char *name) {
    for (size_t i = 0; i < process->n_actors; i++)
        if (strcmp(process->actors[i].actor->name, name) == 0) return &process->actors[i];
    return NULL;
}

const struct actor_row *model_actor_by_handle(const struct process *process, uint64_t handle) {
    for (size_t i = 0; i < process->n_actors; i++)
        if (process->actors[i].actor->handle == handle) return &process->actors[i];
    return NULL;
}

const struct process *model_peer(const struct process *from, uint64_t number) {
    for (size_t i = 0; from->report && i < from->report->n_links; i++)
        if (from->links[i].link->node == number) return from->links[i].peer;
    return NULL;
}

const char *model_actor_name(
    const struct process *process, uint64_t handle, const char *told, char *text, size_t size) {
    uint16_t number = handle_peer(handle);
    const struct process *there = number ? model_peer(process, number) : process;
    const struct actor_row *row = there ? model_actor_by_handle(there, handle_local(handle)) : NULL;
    if (!row)
        snprintf(text, size, "%s", told);
    else if (there == process)
        snprintf(text, size, "%s", row->actor->name);
    else
        snprintf(text, size, "%.100s@%.60s", row->actor->name, there->label);
    return text;
}

/* --- processes --- */

static struct process *add_process(struct model *model, const char *address) {
    if (model->n_processes == MODEL_PROCESSES_MAX) return NULL;
    struct process *process = mem_zero(1, sizeof *process);
    if (!process) return NULL;
    snprintf(process->address, sizeof process->address, "%s", address);
    snprintf(process->label, sizeof process->label, "%.90s", address);
    process->number = number_of(address);
    process->status = STATUS_NOT_READY;
    model->processes[model->n_processes++] = process;
    return process;
}

static int role_rank(const struct process *process) {
    static const char *const order[] = {"up", "pd", "gateway", "worker"};
    const char *role = process->report ? process->report->role : "";
    const char *name = process->report ? process->report->node : "";
    for (int i = 0; i < (int)(sizeof order / sizeof *order); i++)
        if (strcmp(role, order[i]) == 0 || (!*role && strcmp(name, order[i]) == 0)) return i;
    return process->report ? 8 : 9;
}

static int by_role(const void *a, const void *b) {
    const struct process *x = *(struct process *const *)a, *y = *(struct process *const *)b;
    int difference = role_rank(x) - role_rank(y);
    return difference ? difference : strverscmp(x->address, y->address);
}

/* What tells addresses apart: the port, the host, both. Of "ipc:///run/gw/link.ipc": "gw", the
 * path. */
enum detail { DETAIL_PORT, DETAIL_HOST, DETAIL_ALL };

static void address_part(const char *address, enum detail detail, char *out, size_t size) {
    const char *start = strstr(address, "://"), *slash = strrchr(address, '/');
    bool ipc = strncmp(address, "ipc://", 6) == 0;
    start = start ? start + 3 : address;
    if (!ipc && strchr(start, '@')) start = strchr(start, '@') + 1;
    const char *end = start + strlen(start), *colon = strrchr(start, ':');
    if (ipc && detail == DETAIL_PORT && slash > start) {
        end = slash;
        for (const char *at = start; at < end; at++)
            if (*at == '/') start = at + 1;
    } else if (!ipc && colon) {
        if (detail == DETAIL_PORT) start = colon + 1;
        if (detail == DETAIL_HOST) end = colon;
    }
    snprintf(out, size, "%.*s", (int)(end - start), start);
}

static const char *plain_name(const struct process *process) {
    return process->report && *process->report->node ? process->report->node : process->address;
}

static bool like_names(const struct process *a, const struct process *b) {
    return a != b && !a->same && !b->same && strcmp(plain_name(a), plain_name(b)) == 0;
}

static bool
tells_apart(const struct model *model, const struct process *process, enum detail detail) {
    char own[EVENT_ADDRESS_MAX], other[EVENT_ADDRESS_MAX];
    address_part(process->address, detail, own, sizeof own);
    for (size_t i = 0; i < model->n_processes; i++) {
        if (!like_names(model->processes[i], process)) continue;
        address_part(model->processes[i]->address, detail, other, sizeof other);
        if (strcmp(own, other) == 0) return false;
    }
    return true;
}

static void name_process(const struct model *model, struct process *process) {
    bool alone = true;
    for (size_t i = 0; i < model->n_processes && alone; i++)
        alone = !like_names(model->processes[i], process);
    if (alone) {
        snprintf(process->label, sizeof process->label, "%.60s", plain_name(process));
        return;
    }
    enum detail detail = DETAIL_PORT;
    while (detail < DETAIL_ALL && !tells_apart(model, process, detail))
        detail++;
    char part[EVENT_ADDRESS_MAX];
    address_part(process->address, detail, part, sizeof part);
    snprintf(process->label, sizeof process->label, "%.40s:%.50s", plain_name(process), part);
}

static void name_processes(struct model *model) {
    qsort(model->processes, model->n_processes, sizeof *model->processes, by_role);
    for (size_t i = 0; i < model->n_processes; i++)
        name_process(model, model->processes[i]);
}

/* One process may be reached by several addresses: the first that answered stands for it. */
static void find_same(struct model *model, struct process *process) {
    uint64_t incarnation = process->report->incarnation;
    process->same = NULL;
    for (size_t i = 0; incarnation && i < model->n_processes; i++) {
        const struct process *other = model->processes[i];
        if (other == process || other->same || !other->report) continue;
        if (other->report->incarnation == incarnation && other->status == STATUS_OK)
            process->same = other;
    }
}

static void resolve_links(const struct model *model, struct process *process) {
    for (size_t i = 0; i < process->report->n_links; i++) {
        struct link_row *row = &process->links[i];
        const struct process *peer =
            *row->link->address ? model_process(model, row->link->address) : NULL;
        row->peer = peer && peer->same ? peer->same : peer;
    }
}

/* --- reports --- */

static double per_second(uint64_t now, uint64_t before, double us) {
    return now > before && us > 0 ? (double)(now - before) * 1e6 / us : 0;
}

static const SysLane *old_lane(const SysReport *report, uint32_t number) {
    for (size_t i = 0; report && i < report->n_lanes; i++)
        if (report->lanes[i]->lane == number) return report->lanes[i];
    return NULL;
}

static int by_lane(const void *a, const void *b) {
    uint32_t x = (*(SysLane *const *)a)->lane, y = (*(SysLane *const *)b)->lane;
    return x < y ? -1 : x > y;
}

static void
rate_lanes(struct process *process, const SysReport *now, const SysReport *before, double us) {
    double busy = 0, turns = 0;
    if (now->n_lanes) qsort(now->lanes, now->n_lanes, sizeof *now->lanes, by_lane);
    for (size_t i = 0; i < now->n_lanes; i++) {
        struct lane_row *row = &process->lanes[i];
        row->lane = now->lanes[i];
        const SysLane *old = us > 0 ? old_lane(before, row->lane->lane) : NULL;
        if (!old) continue;
        double own = row->lane->clock_us > old->clock_us
                         ? (double)(row->lane->clock_us - old->clock_us)
                         : us;
        row->rated = true;
        row->busy = per_second(row->lane->busy_us, old->busy_us, own) / 1e6;
        row->turns = per_second(row->lane->turns, old->turns, own);
        row->wakes = per_second(row->lane->wakes, old->wakes, own);
        busy += row->busy;
        turns += row->turns;
    }
    process->busy = now->n_lanes ? busy / (double)now->n_lanes : 0;
    process->turns = turns;
}

static const SysLink *old_link(const SysReport *report, const SysLink *link) {
    for (size_t i = 0; report && i < report->n_links; i++) {
        const SysLink *old = report->links[i];
        if (old->node == link->node && strcmp(old->address, link->address) == 0 &&
            strcmp(old->name, link->name) == 0)
            return old;
    }
    return NULL;
}

static void
rate_links(struct process *process, const SysReport *now, const SysReport *before, double us) {
    for (size_t i = 0; i < now->n_links; i++) {
        struct link_row *row = &process->links[i];
        row->link = now->links[i];
        const SysLink *old = us > 0 ? old_link(before, row->link) : NULL;
        if (!old) continue;
        row->rated = true;
        row->sent = per_second(row->link->sent, old->sent, us);
        row->received = per_second(row->link->received, old->received, us);
        row->sent_bytes = per_second(row->link->sent_bytes, old->sent_bytes, us);
        row->received_bytes = per_second(row->link->received_bytes, old->received_bytes, us);
    }
}

static void series_push(struct series *series, double value) {
    if (series->n == SERIES_MAX) {
        memmove(series->values, series->values + 1, (SERIES_MAX - 1) * sizeof(float));
        series->n--;
    }
    series->values[series->n++] = (float)value;
}

static void take_report(struct model *model, struct process *process, struct answer *answer) {
    const SysReport *now = (const SysReport *)answer->message, *before = process->report;
    bool goes_on =
        before && now->uptime_ms > before->uptime_ms && now->incarnation == before->incarnation;
    bool other_name =
        !before || strcmp(now->node, before->node) != 0 || strcmp(now->role, before->role) != 0;
    double us = goes_on ? (double)(now->uptime_ms - before->uptime_ms) * 1000 : 0;
    struct lane_row *lanes = arena_zero(&answer->arena, now->n_lanes * sizeof *lanes);
    struct link_row *links = arena_zero(&answer->arena, now->n_links * sizeof *links);
    if (!lanes || !links) return;
    process->lanes = lanes;
    process->links = links;
    rate_lanes(process, now, before, us);
    rate_links(process, now, before, us);
    process->rated = us > 0;
    process->cpu = us > 0 ? per_second(now->cpu_us, before->cpu_us, us) / 1e6 : 0;
    process->report = now;
    if (us > 0) {
        series_push(&process->busy_series, process->busy);
        series_push(&process->turns_series, process->turns);
    }
    series_push(&process->rss_series, (double)now->rss_bytes);
    if (answer->question == QUESTION_ACTORS) roster_build(process, answer);
    answer_drop(process->held);
    process->held = answer_hold(answer);
    const struct process *same = process->same;
    find_same(model, process);
    resolve_links(model, process);
    if (!other_name && process->same == same) return;
    name_processes(model); /* seldom: somebody is new, or another than before */
    for (size_t i = 0; i < model->n_processes; i++)
        if (model->processes[i]->report) resolve_links(model, model->processes[i]);
}

static void on_report(struct model *model, struct process *process, struct answer *answer) {
    process->status = answer->status;
    memcpy(process->text, answer->text, sizeof process->text);
    if (!answer->message) return;
    process->heard_ms = answer->at_ms;
    take_report(model, process, answer);
}

/* --- other answers --- */

static void on_tapped(struct model *model, struct answer *answer, const struct event *event) {
    bool same =
        strcmp(model->tap_key, event->key) == 0 && strcmp(model->tap_address, event->address) == 0;
    if (!same || !model->tap_open) drop_tapped(model);
    memcpy(model->tap_key, event->key, sizeof model->tap_key);
    memcpy(model->tap_address, event->address, sizeof model->tap_address);
    model->tap_open = event->more;
    model->tap_status = answer->status;
    memcpy(model->tap_text, answer->text, sizeof model->tap_text);
    const SysTapped *part = (const SysTapped *)answer->message;
    if (!part) return;
    model->tap_matched = part->matched;
    model->tap_skipped = part->skipped;
    for (size_t i = 0; i < part->n_messages; i++) {
        if (model->n_tapped == MODEL_TAPPED_MAX) {
            answer_drop(model->tapped[model->tapped_first].answer);
            model->tapped_first = (model->tapped_first + 1) % MODEL_TAPPED_MAX;
            model->n_tapped--;
        }
        size_t at = (model->tapped_first + model->n_tapped++) % MODEL_TAPPED_MAX;
        model->tapped[at] = (struct tapped){answer_hold(answer), part->messages[i]};
    }
}

/* In the place of the last one to the same question. */
static void keep(struct process *process, struct answer *answer) {
    struct answer **at = &process->answers, **last = NULL;
    while (*at) {
        struct answer *old = *at;
        if (old->question == answer->question && strcmp(old->key, answer->key) == 0) {
            *at = old->next;
            answer_drop(old);
            process->n_answers--;
            break;
        }
        last = at;
        at = &old->next;
    }
    if (process->n_answers >= MODEL_ANSWERS_MAX && last && *last) {
        struct answer *oldest = *last;
        *last = oldest->next;
        answer_drop(oldest);
        process->n_answers--;
    }
    answer->next = process->answers;
    process->answers = answer_hold(answer);
    process->n_answers++;
}

void model_take(struct model *model, const struct event *event) {
    struct process *process = model_process(model, event->address);
    if (!process) process = add_process(model, event->address);
    struct answer *answer = process ? answer_new(event) : NULL;
    if (!answer) return;
    if (event->at_ms > model->now_ms) model->now_ms = event->at_ms;
    if (event->question == QUESTION_REPORT || event->question == QUESTION_ACTORS)
        on_report(model, process, answer);
    else if (event->question == QUESTION_TAP)
        on_tapped(model, answer, event);
    else
        keep(process, answer);
    answer_drop(answer);
}
