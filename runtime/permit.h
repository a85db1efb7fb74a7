/* permit: what sys of a process may do beyond counting and naming. Off unless the process was
 * started with it (VECTRON_SYS_BODIES, VECTRON_SYS_ACTIONS). */
#ifndef RUNTIME_PERMIT_H
#define RUNTIME_PERMIT_H

enum sys_bodies {
    SYS_BODIES_OFF,
    SYS_BODIES_REDACTED, /* bodies are shown as runtime/redact.h says */
    SYS_BODIES_WHOLE,    /* … and recorded whole, to be replayed */
};
enum sys_actions {
    SYS_ACTIONS_OFF,
    SYS_ACTIONS_ON,   /* restart, passivate, migrate; a dead letter may be sent again */
    SYS_ACTIONS_TEST, /* … pause, step, resume, too: the data may be lost in time */
};

#endif
