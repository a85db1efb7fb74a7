// grpc-peer: the gRPC C++ library as a peer of our edge: a generic callback server that answers every unary call with
// the bytes it got, without decoding them: less work than our echo does.
//
//   grpc-peer PORT        prints "listening" and serves until it is killed
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <string>

namespace {

class Echo : public grpc::ServerGenericBidiReactor {
  public:
    Echo() {
        StartRead(&bytes_);
    }

    void OnReadDone(bool ok) override {
        if (ok)
            StartWriteAndFinish(&bytes_, grpc::WriteOptions(), grpc::Status::OK);
        else
            Finish(grpc::Status::OK);
    }

    void OnDone() override {
        delete this;
    }

  private:
    grpc::ByteBuffer bytes_;
};

class Service : public grpc::CallbackGenericService {
  public:
    grpc::ServerGenericBidiReactor *CreateReactor(grpc::GenericCallbackServerContext *) override {
        return new Echo;
    }
};

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: grpc-peer PORT\n");
        return 2;
    }
    Service service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string("127.0.0.1:") + argv[1], grpc::InsecureServerCredentials());
    builder.RegisterCallbackGenericService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server) return 1;
    std::puts("listening");
    std::fflush(stdout);
    server->Wait();
    return 0;
}
