/* json_unknown: words on a member that a message does not have. It is ignored, as the contract
 * wants it; the words are what its sender may look for. */
#ifndef EDGE_JSON_UNKNOWN_H
#define EDGE_JSON_UNKNOWN_H

#include <protobuf-c/protobuf-c.h>

#include "adapters/edge/json_text.h"

/* `field "topk" is unknown and was ignored; topK is meant?` Printable ASCII whatever the name is.
 */
void json_unknown_words(const ProtobufCMessageDescriptor *type,
                        const struct json_slice *name,
                        char out[static JSON_UNKNOWN_MAX]);

#endif
