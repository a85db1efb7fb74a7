// The echo service with @grpc/grpc-js: unary, stream, errors, deadline, cancel, gzip, large messages, TLS.
//   node echo_client.js HOST:PORT HOST:TLS-PORT CA-FILE SCHEMAS-FOLDER MODULES-FOLDER
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const [plain, secure, ca, schemas, modules] = process.argv.slice(2);
const load = (name) => require(path.join(modules, 'node_modules', name));
const grpc = load('@grpc/grpc-js');
const loader = load('@grpc/proto-loader');

const loaded = loader.loadSync('apigateway.proto', { includeDirs: [schemas], longs: String, defaults: true });
const { Search, SearchStream } = grpc.loadPackageDefinition(loaded).vectron.v1.VectronService.service;
const Echo = grpc.makeGenericClientConstructor({
  unary: { ...Search, path: '/test.Echo/Unary' }, stream: { ...SearchStream, path: '/test.Echo/Stream' },
});
const limits = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const clients = {
  plain: new Echo(plain, grpc.credentials.createInsecure(), limits),
  tls: new Echo(secure, grpc.credentials.createSsl(fs.readFileSync(ca)), limits),
  gzip: new Echo(plain, grpc.credentials.createInsecure(), { ...limits, 'grpc.default_compression_algorithm': 2 }),
};
const unary = (client, request, options = {}, metadata = new grpc.Metadata()) => new Promise((resolve, reject) => {
  client.unary(request, metadata, { deadline: Date.now() + 20000, ...options }, (error, reply) => (error ? reject(error) : resolve(reply)));
});
const fails = async (promise, code) => {
  try { await promise; } catch (error) { assert.strictEqual(error.code, code, error.details); return error; }
  return assert.fail(`no error, expected ${code}`);
};
const stream = (client, request) => new Promise((resolve, reject) => {
  let parts = 0;
  client.stream(request, { deadline: Date.now() + 20000 }).on('data', () => { parts += 1; }).on('error', reject).on('end', () => resolve(parts));
});

const tests = (client) => ({
  unary: async () => assert.strictEqual((await unary(client, { collection: 'a', vector: [1, 2] })).results[0].id, 'a'),
  'stream of 1,000': async () => assert.strictEqual(await stream(client, { collection: 'a', topK: 1000 }), 1000),
  '20 MB both ways': async () => {
    const reply = await unary(client, { vector: new Array(5000000).fill(0.5) });
    assert.strictEqual(reply.results[0].vector.length, 5000000);
  },
  'failure with details and metadata': async () => {
    const error = await fails(unary(client, { query: 'fail' }), grpc.status.NOT_FOUND);
    assert.strictEqual(error.details, '100% göne\nnot found');
    assert.strictEqual(error.metadata.get('x-reason')[0], 'asked');
    assert.deepStrictEqual([...error.metadata.get('grpc-status-details-bin')[0]], [8, 5]);
  },
  deadline: async () => {
    const start = Date.now();
    await fails(unary(client, { timeoutMs: 5000 }, { deadline: Date.now() + 300 }), grpc.status.DEADLINE_EXCEEDED);
    assert.ok(Date.now() - start < 1500);
  },
  cancel: async () => new Promise((resolve, reject) => {
    const calling = client.unary({ timeoutMs: 3000 }, (error) => (error.code === grpc.status.CANCELLED ? resolve() : reject(error)));
    setTimeout(() => calling.cancel(), 100);
  }),
  '300 at once': async () => Promise.all(Array.from({ length: 300 }, () => unary(client, { timeoutMs: 200 }))),
  metadata: async () => {
    const metadata = new grpc.Metadata();
    metadata.set('x-echo', 'here');
    assert.strictEqual((await unary(client, { query: 'meta' }, {}, metadata)).results[0].id, 'here');
  },
});

(async () => {
  let failed = 0;
  for (const [kind, client] of Object.entries(clients)) {
    for (const [name, test] of Object.entries(tests(client))) {
      try {
        await test();
        console.log(`PASS grpc-js ${kind}: ${name}`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL grpc-js ${kind}: ${name}: ${error.stack}`);
      }
    }
  }
  process.exit(failed ? 1 : 0);
})();
