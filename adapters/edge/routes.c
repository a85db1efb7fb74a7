/* routes: the gateway's services and their HTTP rules (contract 2.2): what google.api.http
 * annotations would say, were their protos in Debian. */
#include "adapters/edge/service_vectron.h"

#define VECTRON(method) "/vectron.v1.VectronService/" #method

const struct edge_service *const edge_gateway_services[] = {&vectron_service, NULL};

const struct edge_route edge_gateway_routes[] = {
    {"POST", "/v1/collections", VECTRON(CreateCollection), .body = true},
    {"GET", "/v1/collections", VECTRON(ListCollections), .body = false},
    {"DELETE", "/v1/collections/{name}", VECTRON(DeleteCollection), .body = false},
    {"GET", "/v1/collections/{name}/status", VECTRON(GetCollectionStatus), .body = false},
    {"POST", "/v1/collections/{collection}/indexes", VECTRON(CreatePayloadIndex), .body = true},
    {"DELETE", "/v1/collections/{collection}/indexes/{key}/{type}", VECTRON(DropPayloadIndex),
     .body = false},
    {"POST", "/v1/collections/{collection}/points", VECTRON(Upsert), .body = true},
    {"POST", "/v1/collections/{collection}/points/search", VECTRON(Search), .body = true},
    {"POST", "/v1/collections/{collection}/points/search/stream", VECTRON(SearchStream),
     .body = true, .events = true},
    {"POST", "/v1/collections/{collection}/points/search/batch", VECTRON(BatchSearch),
     .body = true},
    {"GET", "/v1/collections/{collection}/points/{id}", VECTRON(Get), .body = false},
    {"DELETE", "/v1/collections/{collection}/points/{id}", VECTRON(Delete), .body = false},
    {"PUT", "/v1/user/profile", VECTRON(UpdateUserProfile), .body = true},
    {"POST", "/v1/feedback", VECTRON(SubmitFeedback), .body = true},
    {0},
};
