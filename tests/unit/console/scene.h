/* scene: a made-up cluster at work: a placement driver, a gateway and two workers, as events. */
#ifndef TESTS_UNIT_CONSOLE_SCENE_H
#define TESTS_UNIT_CONSOLE_SCENE_H

#include "cli/console/console.h"
#include "runtime/sim/sim.h"
#include "schemas/pd.pb-c.h"
#include "schemas/shard.pb-c.h"
#include "schemas/sys.pb-c.h"

#define PD      "tcp://10.0.0.1:7001"
#define GATEWAY "ipc:///run/vectron/gateway/link.ipc"
#define WORKER1 "tcp://10.0.0.2:9191"
#define WORKER2 "tcp://10.0.0.3:9191"

#define SCENE_MS UINT64_C(1800000000000) /* when it begins */

/* An answer as an event; message NULL: none. The caller owns it. */
struct event *scene_event(uint64_t at_ms,
                          const char *address,
                          enum question question,
                          const char *key,
                          const ProtobufCMessage *message);
struct event *scene_failure(uint64_t at_ms,
                            const char *address,
                            enum question question,
                            const char *key,
                            enum status status,
                            const char *text);
/* Gives the event to the model and frees it. */
void scene_take(struct model *model, struct event *event);
/* The nth second of the cluster: reports with actors of all four. */
void scene_second(struct console *console, unsigned n);
/* All of it: three seconds, and an answer to every question a view may ask. */
void scene_play(struct console *console);

#endif
