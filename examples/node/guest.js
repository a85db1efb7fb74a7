// guest: a Node.js program among Vectron's actors, with zeromq and msgpack and nothing of Vectron.
//
//     node guest.js LINK CENSUS-LINK
//
// It calls the router of the Vectron at LINK, watches its messages through a tap, and is an actor itself, ext/scribe,
// which the census actor of another process (examples/census, at CENSUS-LINK) finds by name and calls. The wire:
// docs/protocol.md; the messages: schemas/internal/*.proto, by field number.
'use strict'
const { randomBytes } = require('node:crypto')
const { setTimeout: sleep } = require('node:timers/promises')
const { encode, decode } = require('@msgpack/msgpack')
const { Dealer } = require('zeromq')

const [HELLO, MESSAGES, LOOKUP, FOUND, BEAT, BEATEN, BYE, REGISTER, REGISTERED] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
const [CAST, CALL, REPLY, PART] = [0, 1, 2, 3]
const DATA_BAND = 2
const UNIMPLEMENTED = 19
const ME = 1 // handles of ours, by our own choice
const SCRIBE = 2 ** 24 + 1
const PATIENCE_MS = 15000

/** What a message type is called in envelopes: FNV-1a of its name. */
function op (message) {
  let value = 2166136261
  for (const byte of Buffer.from(message)) value = Math.imul(value ^ byte, 16777619) >>> 0
  return value
}

/** A body: a map whose keys are numbers, at most 15, which the library would write as texts. */
function body (fields) {
  const head = Buffer.from([0x80 | Object.keys(fields).length])
  const rest = Object.entries(fields).flatMap(([key, value]) => [encode(Number(key)), pack(value)])
  return Buffer.concat([head, ...rest])
}

function pack (value) {
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([0x90 | value.length]), ...value.map(pack)])
  const map = value !== null && typeof value === 'object' && !(value instanceof Uint8Array)
  return map ? body(value) : encode(value)
}

/** Repeated floats are one bin of little-endian float32. */
function vector (...floats) {
  const bytes = Buffer.alloc(4 * floats.length)
  floats.forEach((x, i) => bytes.writeFloatLE(x, 4 * i))
  return bytes
}

const randomNumber = () => randomBytes(6).readUIntBE(0, 6)

/** One connection to a process: calls out, and calls in for the actors that were registered on it. */
class Link {
  constructor (address) {
    this.socket = new Dealer({ linger: 200 })
    this.socket.connect(address)
    this.waiting = new Map() // token or 'call'+correlation → function(frame)
    this.actors = new Map() // handle → {op: function(body) → [type, fields]}
    this.numbers = 0
    this.queue = Promise.resolve() // a socket sends one message at a time
    this.beats = setInterval(() => this.send([BEAT, 0]), 500)
    this.over = this.read()
  }

  async open () {
    const hello = new Promise(resolve => this.waiting.set('hello', resolve))
    this.send([HELLO, 'vectron', 1, 'guest.js', randomNumber(), randomNumber(), 0])
    await inTime(hello, 'hello')
    return this
  }

  send (frame) {
    this.queue = this.queue.then(() => this.socket.send(encode(frame))).catch(() => {})
    return this.queue
  }

  async close () {
    clearInterval(this.beats)
    await this.send([BYE, 'done'])
    this.socket.close()
    await this.over
  }

  async read () {
    for await (const [bytes] of this.socket) {
      const frame = decode(bytes, { useBigInt64: false })
      if (frame[0] === BEAT) this.send([BEATEN, frame[1]])
      else if (frame[0] === MESSAGES) this.takeMessages(frame)
      else if (frame[0] === HELLO) this.waiting.get('hello')(frame)
      else if (frame[0] === FOUND || frame[0] === REGISTERED) this.waiting.get(frame[1])?.(frame)
      else if (frame[0] === BYE) throw new Error(`the process said goodbye: ${frame[1]}`)
    }
  }

  takeMessages (frame) {
    for (let i = 1; i < frame.length; i += 2) {
      const [, kind, , to, from, correlation, , , , message] = frame[i]
      const fields = frame[i + 1].length > 0 ? decode(frame[i + 1]) : {}
      if (kind === REPLY || kind === PART) this.waiting.get('call' + correlation)?.({ kind, message, fields })
      if (kind !== CALL && kind !== CAST) continue
      const handler = this.actors.get(to)?.[message]
      const [type, answer] = handler ? handler(fields) : ['Failed', { 1: UNIMPLEMENTED, 2: 'not understood here' }]
      if (kind === CALL) this.post(REPLY, from, to, correlation, type, answer)
    }
  }

  post (kind, to, from, correlation, message, fields) {
    this.send([MESSAGES, [1, kind, DATA_BAND, to, from, correlation, null, null, 0, op(message)], body(fields)])
  }

  ask (kind, ...values) {
    const token = ++this.numbers
    const answer = new Promise(resolve => this.waiting.set(token, resolve))
    this.send([kind, token, ...values])
    return inTime(answer, values[0])
  }

  async lookup (name) {
    const [, , status, handle] = await this.ask(LOOKUP, name)
    if (status !== 0) throw new Error(`no actor is called ${name}`)
    return handle
  }

  async register (name, handle, handlers) {
    this.actors.set(handle, Object.fromEntries(Object.entries(handlers).map(([message, f]) => [op(message), f])))
    const [, , status] = await this.ask(REGISTER, name, handle)
    if (status !== 0) throw new Error(`${name}: status ${status}`)
  }

  /** Calls; each answer goes to `seen`; resolves with the last one's fields. */
  call (to, message, fields, seen = () => {}) {
    const correlation = ++this.numbers
    const last = new Promise((resolve, reject) => {
      this.waiting.set('call' + correlation, answer => {
        if (answer.message === op('Failed')) {
          reject(new Error(`status ${answer.fields[1] ?? 0}: ${answer.fields[2] ?? ''}`))
        } else {
          seen(answer.fields)
          if (answer.kind === REPLY) resolve(answer.fields)
        }
      })
    })
    this.post(CALL, to, ME, correlation, message, fields)
    return inTime(last, message)
  }
}

/** The promise's value, or an error when it takes too long. */
function inTime (promise, what) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing came in time`)), PATIENCE_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function search (link) {
  const router = await link.lookup('router')
  await link.call(router, 'RouterCreateCollection', { 1: 'moons', 2: 2, 3: 'euclidean' })
    .catch(error => { if (!error.message.includes('status 3')) throw error }) // it is there
  const moons = { io: [0.42, 0], europa: [0.67, 0.1], ganymede: [1.07, 0.2], callisto: [1.88, 0.1] }
  const points = Object.entries(moons).map(([name, at]) => ({ 1: name, 2: vector(...at) }))
  await link.call(router, 'RouterUpsert', { 1: 'moons', 2: points })
  const hits = await link.call(router, 'RouterSearch', { 1: 'moons', 2: vector(0.9, 0.2), 3: 2 })
  for (const hit of hits[1]) console.log(`router: ${hit[1]} ${(hit[2] ?? 0).toFixed(4)}`)
}

/** Sees the router's messages while another search runs: SysTap is answered in parts. */
async function tap (link) {
  const router = await link.lookup('router')
  let seen
  const row = new Promise(resolve => { seen = resolve })
  const taps = link.call(await link.lookup('sys'), 'SysTap', { 1: 'router', 8: 100, 9: 5 }, fields => {
    for (const message of fields[1] ?? []) if (message[3] === 'RouterSearch') seen(message)
  })
  const failed = new Promise((resolve, reject) => taps.catch(reject))
  failed.catch(() => {}) // seen by the race below, and no matter after it
  await sleep(200)
  await link.call(router, 'RouterSearch', { 1: 'moons', 2: vector(1.8, 0.2), 3: 1 })
  const message = await Promise.race([row, failed])
  console.log(`tap: ${message[3]} to ${message[6]}`)
}

/** Is called: the census asks ext/scribe, which is this program. */
async function scribe (link) {
  let asked = 0
  await link.register('ext/scribe', SCRIBE, {
    'census.Count': () => ['census.Counted', { 1: 2, 2: ['ink', 'paper'], 3: ++asked }]
  })
  const counted = await link.call(await link.lookup('census'), 'census.Ask', { 1: 'ext/scribe' })
  console.log(`scribe: asked ${asked} time, the census heard ${counted[2].join(', ')}`)
}

async function main () {
  if (process.argv.length !== 4) throw new Error('node guest.js LINK CENSUS-LINK')
  const [vectron, census] = await Promise.all(process.argv.slice(2).map(address => new Link(address).open()))
  await search(vectron)
  await scribe(census)
  await tap(vectron)
  await Promise.all([vectron.close(), census.close()])
}

main().then(() => process.exit(0), error => {
  console.error(`guest.js: ${error.message}`)
  process.exit(1)
})
