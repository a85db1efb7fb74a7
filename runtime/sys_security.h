/* sys_security: what sys tells of keys and of refused connections. Private to runtime/. */
#ifndef RUNTIME_SYS_SECURITY_H
#define RUNTIME_SYS_SECURITY_H

#include "runtime/turn.h"
#include "schemas/sys.pb-c.h"

/* In sys's turn. Refusals of the last minute are alarms too: behind those the report has. */
void sys_add_security(struct turn *turn, SysReport *report);
/* Unix time of a moment of the process's clock. */
uint64_t sys_unix_ms(struct turn *turn, uint64_t at_us);

#endif
