// Every RPC of the gateway with @grpc/grpc-js (an implementation that shares no code with grpcio).
//   node client.js HOST:PORT SCHEMAS-FOLDER MODULES-FOLDER
'use strict';
const path = require('path');
const assert = require('assert');
const [target, schemas, modules] = process.argv.slice(2);
const load = (name) => require(path.join(modules, 'node_modules', name));
const grpc = load('@grpc/grpc-js');
const loader = load('@grpc/proto-loader');

const definition = loader.loadSync('apigateway.proto', { includeDirs: [schemas], longs: String, enums: String, defaults: true });
const Service = grpc.loadPackageDefinition(definition).vectron.v1.VectronService;
const client = new Service(target, grpc.credentials.createInsecure(), {
  'grpc.max_receive_message_length': -1, 'grpc.keepalive_time_ms': 10000,
});
const call = (name, request, options = {}) => new Promise((resolve, reject) => {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', 'Bearer any');
  client[name](request, metadata, { deadline: Date.now() + 20000, ...options }, (error, reply) => (error ? reject(error) : resolve(reply)));
});
const fails = async (promise, code, words) => {
  try {
    await promise;
  } catch (error) {
    assert.strictEqual(error.code, code, `${error.code} ${error.details}`);
    assert.ok(error.details.includes(words), `'${words}' is not in '${error.details}'`);
    return;
  }
  assert.fail(`no error, expected ${code}`);
};
const stream = (request) => new Promise((resolve, reject) => {
  const parts = [];
  const calling = client.SearchStream(request, { deadline: Date.now() + 20000 });
  calling.on('data', (part) => parts.push(part));
  calling.on('error', reject);
  calling.on('end', () => resolve(parts));
});

const tests = {
  'collections': async () => {
    assert.strictEqual((await call('CreateCollection', { name: 'js', dimension: 3, distance: 'euclidean', shards: 2 })).success, true);
    assert.ok((await call('ListCollections', {})).collections.includes('js'));
    const status = await call('GetCollectionStatus', { name: 'js' });
    assert.strictEqual(status.dimension, 3);
    assert.ok(status.shards.length === 2 && status.shards.every((s) => s.ready && s.leaderId !== '0'));
    await fails(call('CreateCollection', { name: 'js', dimension: 3 }), grpc.status.ALREADY_EXISTS, 'already exists');
  },
  'points': async () => {
    const points = Array.from({ length: 500 }, (_, i) => ({ id: `p${i}`, vector: [i, 0, 1], payload: { n: String(i) } }));
    assert.strictEqual((await call('Upsert', { collection: 'js', points })).upserted, 500);
    const { results } = await call('Search', { collection: 'js', vector: [7, 0, 1], topK: 3, includeMetadata: true });
    assert.deepStrictEqual(results.map((r) => r.id), ['p7', 'p6', 'p8']);
    assert.strictEqual(results[0].payload.n, '7');
    const { point } = await call('Get', { collection: 'js', id: 'p9' });
    assert.deepStrictEqual(point.vector, [9, 0, 1]);
    await call('Delete', { collection: 'js', id: 'p9' });
    await fails(call('Get', { collection: 'js', id: 'p9' }), grpc.status.NOT_FOUND, 'not found');
  },
  'streams': async () => {
    const parts = await stream({ collection: 'js', vector: [0, 0, 1], topK: 4 });
    assert.deepStrictEqual(parts[parts.length - 1].results.map((r) => r.id), ['p0', 'p1', 'p2', 'p3']);
  },
  'compression': async () => {
    const zipped = new Service(target, grpc.credentials.createInsecure(), { 'grpc.default_compression_algorithm': 2 });
    const reply = await new Promise((resolve, reject) => zipped.Search({ collection: 'js', vector: [1, 0, 1], topK: 1 }, (e, r) => (e ? reject(e) : resolve(r))));
    assert.strictEqual(reply.results[0].id, 'p1');
    zipped.close();
  },
  'cancellation and deadlines': async () => {
    const calling = client.Search({ collection: 'js', vector: [1, 0, 1], topK: 1 }, () => {});
    calling.cancel();
    await fails(call('Search', { collection: 'js', vector: [1, 0, 1] }, { deadline: Date.now() - 1 }), grpc.status.DEADLINE_EXCEEDED, '');
  },
  'many at once': async () => {
    const replies = await Promise.all(Array.from({ length: 1000 }, (_, i) => call('Search', { collection: 'js', vector: [i % 500, 0, 1], topK: 1 })));
    assert.ok(replies.every((r) => r.results.length === 1));
  },
  'later services': async () => {
    await fails(call('UpdateUserProfile', { plan: 'PAID' }), grpc.status.UNIMPLEMENTED, '');
    await fails(call('SubmitFeedback', { collection: 'js' }), grpc.status.UNIMPLEMENTED, '');
  },
  'deletion': async () => {
    assert.strictEqual((await call('DeleteCollection', { name: 'js' })).success, true);
    await fails(call('Search', { collection: 'js', vector: [1, 0, 1] }), grpc.status.NOT_FOUND, 'js');
  },
};

(async () => {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`  ok   ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`  FAIL ${name}: ${error.stack}`);
    }
  }
  client.close();
  console.log(`grpc-js: ${Object.keys(tests).length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
