/* exporter: the actor "exporter", to which the collector (runtime/collector.h) hands kept traces:
 * it gathers them for a second and posts them to an OTLP/HTTP receiver, again and again for a
 * minute when that does not answer. Its answers tell the collector what arrived. */
#ifndef CLI_EXPORTER_H
#define CLI_EXPORTER_H

#include "cli/config.h"
#include "runtime/node.h"

struct exporter_settings;
/* NULL in *out: no receiver is set. Owned, longer than the node. Returns an exit code. */
int exporter_read(const struct config *config,
                  const char *instance,
                  struct exporter_settings **out);
void exporter_free(struct exporter_settings *settings);
/* NULL is fine. Returns an exit code. */
int exporter_start(struct node *node, const struct exporter_settings *settings);

#endif
