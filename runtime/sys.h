/* sys: the actor that tells what this process does. Private to runtime/. */
#ifndef RUNTIME_SYS_H
#define RUNTIME_SYS_H

#include "runtime/core.h"

/* In a turn of the root: one reporter a lane, and the actor named "sys". */
void sys_spawn(struct core *core, struct turn *turn);

#endif
