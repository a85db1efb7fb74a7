/* sys_security: see the header. sys runs on the link's lane, so the rows can be read here. */
#include "runtime/sys_security.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/link.h"
#include "runtime/rebuff.h"
#include "runtime/turn_state.h"

enum { ALARM_US = 60 * 1000 * 1000 /* a refusal is one for so long */ };

uint64_t sys_unix_ms(struct turn *turn, uint64_t at_us) {
    const struct core *core = turn->core;
    uint64_t now_us = core->driver->now_us(core);
    uint64_t ago_ms = now_us > at_us ? (now_us - at_us) / 1000 : 0;
    return core->driver->wall_ms(core) - ago_ms;
}

static SysRefusal *refusal_row(struct turn *turn, const struct rebuff *rebuff) {
    SysRefusal *row = turn_new(turn, SysRefusal, sys_refusal);
    row->incoming = rebuff->incoming;
    row->address = turn_printf(turn, "%s", rebuff->address);
    row->key = turn_printf(turn, "%s", rebuff->key);
    row->why = (char *)rebuff_cause_name(rebuff->cause);
    row->count = rebuff->count;
    row->last_ms = sys_unix_ms(turn, rebuff->last_us);
    return row;
}

static SysAlarm *alarm_row(struct turn *turn, const struct rebuff *rebuff) {
    SysAlarm *row = turn_new(turn, SysAlarm, sys_alarm);
    const char *who = rebuff->address[0] ? rebuff->address : "somebody";
    row->name = "link_refused";
    row->subject = turn_printf(turn, "%s%s", rebuff->incoming ? "from " : "to ", who);
    row->text =
        turn_printf(turn, "%s, %" PRIu64 " times", rebuff_cause_name(rebuff->cause), rebuff->count);
    row->since_ms = sys_unix_ms(turn, rebuff->last_us);
    return row;
}

/* Room for `more` alarms behind those there are; false: no memory. */
static bool widen(struct turn *turn, SysReport *report, size_t more) {
    SysAlarm **alarms = turn_alloc(turn, (report->n_alarms + more) * sizeof *alarms);
    if (!alarms) return false;
    if (report->n_alarms) memcpy(alarms, report->alarms, report->n_alarms * sizeof *alarms);
    report->alarms = alarms;
    return true;
}

static void add_refusals(struct turn *turn, SysReport *report) {
    struct core *core = turn->core;
    SysSecurity *security = report->security;
    security->refusals = turn_alloc(turn, REBUFFS_MAX * sizeof *security->refusals);
    if (!security->refusals || !widen(turn, report, REBUFFS_MAX)) return;
    uint64_t now_us = core->driver->now_us(core);
    const struct rebuff *rebuff;
    while (security->n_refusals < REBUFFS_MAX &&
           (rebuff = core->driver->rebuff(core, security->n_refusals))) {
        security->refusals[security->n_refusals++] = refusal_row(turn, rebuff);
        if (now_us - rebuff->last_us < ALARM_US)
            report->alarms[report->n_alarms++] = alarm_row(turn, rebuff);
    }
}

void sys_add_security(struct turn *turn, SysReport *report) {
    const struct driver *driver = turn->core->driver;
    if (!driver->security) return;
    struct link_security link;
    driver->security(turn->core, &link);
    SysSecurity *row = turn_new(turn, SysSecurity, sys_security);
    row->security = link.curve ? "curve" : link.listens ? "plain" : "none";
    row->key_of = turn_printf(turn, "%s", link.node);
    row->allowed_keys = link.allowed_keys;
    row->refused_incoming = link.refused_incoming;
    row->refused_outgoing = link.refused_outgoing;
    report->security = row;
    add_refusals(turn, report);
}
