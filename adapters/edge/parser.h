/* parser: the edge's helper on a compute lane: unpacks and decodes bodies that would hold the edge's lane too long.
 * Accepts EdgeParse; the job comes and goes through the table of adapters/edge/job.h. */
#ifndef EDGE_PARSER_H
#define EDGE_PARSER_H

#include "runtime/actor.h"

extern const struct actor_type parser_type;

#endif
