import { createReadStream } from 'node:fs'
import { PassThrough, Readable, Stream } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pattern } from './answers.js'
import { soon } from './caller-code.js'
import { type Operation, options, type Scene, same } from './operations.js'

const FAILED = 'SOAK_SOURCE'
const FILE = fileURLToPath(new URL('../../../package-lock.json', import.meta.url))
/** ms within which a source is closed when its request has ended. */
const PATIENCE = 5000

/** How a body goes on behind its first half; `destroyed`: by its caller, at any time. */
type Fate = 'ends' | 'fails' | 'stalls' | 'destroyed'

/** A request body of some kind, and whether it was closed or read to its end. */
interface Source {
  readonly body: unknown
  closed(): boolean
  /** Its caller ends it; absent: it can not be. */
  destroy?(error: Error | undefined): void
}

const failure = () => Object.assign(new Error('the source failed'), { code: FAILED })
const halves = (given: Buffer) => [given.subarray(0, given.length / 2), given.subarray(given.length / 2)] as const

function generator(given: Buffer, fate: Fate): Source {
  let open = false
  const generate = async function* () {
    open = true
    try {
      const [first, second] = halves(given)
      yield first
      if (fate === 'fails') throw failure()
      // While it waits in here it can not be closed from outside.
      if (fate === 'stalls') await sleep(50)
      yield second
    } finally {
      open = false
    }
  }
  return { body: generate(), closed: () => !open }
}

function readable(given: Buffer, fate: Fate): Source {
  const pieces = [...halves(given)]
  const body = new Readable({
    read() {
      setImmediate(() => {
        if (body.destroyed) return
        if (pieces.length > 1) body.push(pieces.shift())
        else if (fate === 'fails') body.destroy(failure())
        else if (fate === 'ends') body.push(pieces.shift() ?? null)
      })
    },
  })
  return { body, closed: () => body.destroyed, destroy: (error) => body.destroy(error) }
}

function piped(given: Buffer, fate: Fate): Source {
  const body = new PassThrough()
  const [first, second] = halves(given)
  body.write(first)
  if (fate === 'ends') body.end(second)
  if (fate === 'fails') setImmediate(() => body.destroy(failure()))
  return { body, closed: () => body.destroyed, destroy: (error) => body.destroy(error) }
}

function web(given: Buffer, fate: Fate): Source {
  const pieces = [...halves(given)]
  let open = true
  const pull = (controller: ReadableStreamDefaultController) => {
    if (pieces.length > 1 || (fate === 'ends' && pieces.length > 0)) return controller.enqueue(pieces.shift())
    if (fate === 'stalls') return new Promise<void>(() => {})
    open = false
    if (fate === 'fails') controller.error(failure())
    else controller.close()
  }
  const cancel = () => {
    open = false
  }
  return { body: new ReadableStream({ pull, cancel }, { highWaterMark: 0 }), closed: () => !open }
}

/** A stream of the first kind, which knows `pause` and `resume` alone. */
function oldStyle(given: Buffer, fate: Fate): Source {
  let open = true
  let flowing = true
  const pieces = [...halves(given)]
  const body = Object.assign(new Stream(), {
    readable: true,
    pause: () => {
      flowing = false
    },
    resume: () => {
      flowing = true
      setImmediate(give)
    },
    destroy: () => {
      open = false
    },
  })
  const give = () => {
    if (!flowing || !open) return
    if (pieces.length > (fate === 'ends' ? 0 : 1)) {
      body.emit('data', pieces.shift())
      setImmediate(give)
    } else if (fate !== 'stalls') {
      open = false
      if (fate === 'ends') body.emit('end')
      else body.emit('error', failure())
    }
  }
  setImmediate(give)
  return { body, closed: () => !open }
}

function file(given: Buffer): Source {
  const body = createReadStream(FILE, { end: given.length - 1 })
  return { body, closed: () => body.closed, destroy: (error) => body.destroy(error) }
}

/** An iterator without a generator behind it. */
function iterator(given: Buffer, fate: Fate): Source {
  const pieces = [...halves(given)]
  let open = false
  const next = async () => {
    if (pieces.length > (fate === 'ends' ? 0 : 1)) return { done: false, value: pieces.shift() }
    if (fate === 'stalls') await new Promise(() => {})
    open = false
    if (fate === 'fails') throw failure()
    return { done: true, value: undefined }
  }
  const end = async () => {
    open = false
    return { done: true, value: undefined }
  }
  const begin = () => {
    open = true
    return { next, return: end }
  }
  return { body: { [Symbol.asyncIterator]: begin }, closed: () => !open }
}

/** Whole in memory: it can neither fail nor stall. */
function whole(given: Buffer): Source {
  return { body: new Blob([given]), closed: () => true }
}

/** Its bytes come back between boundaries. */
function form(given: Buffer): Source {
  const body = new FormData()
  body.append('mark', 'soak')
  body.append('file', new Blob([given]))
  return { body, closed: () => true }
}

const streams = { readable, piped, file } as const
const makers = { generator, iterator, web, 'old-style': oldStyle, blob: whole, form, ...streams } as const
type Kind = keyof typeof makers

/** What may become of a body of some kind. */
function fatesOf(kind: Kind): readonly Fate[] {
  if (kind === 'blob' || kind === 'form') return ['ends']
  if (kind === 'file') return ['ends', 'destroyed']
  return kind in streams ? ['ends', 'fails', 'stalls', 'destroyed'] : ['ends', 'fails', 'stalls']
}

/** Codes of requests whose body was destroyed without an error: before they were dispatched, and afterwards. */
const DESTROYED = ['UND_ERR_INVALID_ARG', 'ERR_STREAM_PREMATURE_CLOSE']

/** Uploads a body of some kind, which may fail or stall, to a server that may fail too. */
async function send(scene: Scene, path: string): Promise<void> {
  const any = <T>(list: readonly T[]): T => list[Math.floor(scene.random() * list.length)] as T
  const given = pattern(2 + scene.random() * 30_000)
  const kind = any(Object.keys(makers) as Kind[])
  const fate = any(fatesOf(kind))
  const source = makers[kind](given, fate)
  if (fate === 'destroyed') soon(scene, () => source.destroy?.(scene.random() < 0.5 ? failure() : undefined))
  const abort = new AbortController()
  if (fate === 'stalls') setTimeout(() => abort.abort(), scene.random() * 20)
  else if (scene.random() < 0.3) soon(scene, () => abort.abort())
  const asked = { method: 'PUT', body: source.body as Readable, signal: abort.signal }
  try {
    const { body } = await scene.dispatcher.request(options(scene, path, asked))
    const echoed = Buffer.from(await body.arrayBuffer())
    if (path !== '/echo' || kind === 'file') return
    if (kind !== 'form') same(echoed, given, kind)
    else if (!echoed.includes(given)) throw new Error('the file of a form came back changed')
  } catch (error) {
    const ownEnd = fate === 'destroyed' && DESTROYED.includes((error as { code?: string }).code ?? '')
    if (error !== abort.signal.reason && !ownEnd) throw error
  } finally {
    const until = performance.now() + PATIENCE
    while (!source.closed() && performance.now() < until) await sleep(5)
    if (!source.closed()) scene.tally.complain(`${scene.name}: a body that ${fate} is left open: ${kind}`)
  }
}

const BROKEN = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']

export const uploads: readonly Operation[] = [
  { name: 'upload of any kind', codes: [FAILED], run: (scene) => send(scene, '/echo') },
]

/** To servers that end before they have read it. */
export const lostUploads: readonly Operation[] = [
  { name: 'lost upload', codes: [FAILED, 'UND_ERR_REQ_RETRY', ...BROKEN], run: (scene) => send(scene, '/early') },
  { name: 'reset upload', codes: [FAILED, 'UND_ERR_REQ_RETRY', ...BROKEN], run: (scene) => send(scene, '/reset') },
]
