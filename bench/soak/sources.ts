import { createReadStream } from 'node:fs'
import { PassThrough, Readable, Stream } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { soon } from './caller-code.js'
import { incoming } from './incoming-source.js'
import { type Operation, type OperationContext, options, same } from './operations.js'
import { pattern } from './responses.js'

const FAILED = 'SOAK_SOURCE'
const FILE = fileURLToPath(new URL('../../../package-lock.json', import.meta.url))
/** Time in ms within which a source must be closed after its request. */
const TIMEOUT = 5000

/** What happens after the first half of a body; `destroyed`: the caller destroys it at any time. */
export type Fate = 'ends' | 'fails' | 'stalls' | 'destroyed'

/** A request body, and whether it was closed or completely read. */
export interface Source {
  readonly body: unknown
  /** Content of its echo, if it is not the given bytes. */
  readonly encoded?: Buffer
  /** Error codes with which its request may fail. */
  readonly codes?: readonly string[]
  closed(): boolean
  /** Destroys the source, if it can be destroyed. */
  destroy?(error: Error | undefined): void
  /** Releases what belongs to the source after its request. Returns its problem, or null. */
  finish?(): Promise<string | null>
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
      // A generator can not be closed while it awaits.
      if (fate === 'stalls') await sleep(50)
      yield second
    } finally {
      open = false
    }
  }
  return { body: generate(), closed: () => !open }
}

function readable(given: Buffer, fate: Fate): Source {
  const chunks = [...halves(given)]
  const body = new Readable({
    read() {
      setImmediate(() => {
        if (body.destroyed) return
        if (chunks.length > 1) body.push(chunks.shift())
        else if (fate === 'fails') body.destroy(failure())
        else if (fate === 'ends') body.push(chunks.shift() ?? null)
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
  const chunks = [...halves(given)]
  let open = true
  const pull = (controller: ReadableStreamDefaultController) => {
    if (chunks.length > 1 || (fate === 'ends' && chunks.length > 0)) return controller.enqueue(chunks.shift())
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

/** An old-style stream, which has only `pause` and `resume`. */
function oldStyle(given: Buffer, fate: Fate): Source {
  let open = true
  let flowing = true
  const chunks = [...halves(given)]
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
    if (chunks.length > (fate === 'ends' ? 0 : 1)) {
      body.emit('data', chunks.shift())
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

/** An async iterator that is not a generator. */
function iterator(given: Buffer, fate: Fate): Source {
  const chunks = [...halves(given)]
  let open = false
  const next = async () => {
    if (chunks.length > (fate === 'ends' ? 0 : 1)) return { done: false, value: chunks.shift() }
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

/** A Blob: it can neither fail nor stall. */
function blob(given: Buffer): Source {
  return { body: new Blob([given]), closed: () => true }
}

/** URLSearchParams: they can neither fail nor stall. */
function parameters(given: Buffer): Source {
  const body = new URLSearchParams({ mark: given.toString('latin1') })
  return { body, encoded: Buffer.from(String(body)), closed: () => true }
}

/** A FormData body. The echo contains the bytes between multipart boundaries. */
function form(given: Buffer): Source {
  const body = new FormData()
  body.append('mark', 'soak')
  body.append('file', new Blob([given]))
  return { body, closed: () => true }
}

const streams = { readable, piped, file } as const
const whole = { blob, form, parameters } as const
const makers = { generator, iterator, web, 'old-style': oldStyle, incoming, ...whole, ...streams } as const
type Kind = keyof typeof makers

/** Returns what can happen to a body of this kind. */
function fatesOf(kind: Kind): readonly Fate[] {
  if (kind in whole) return ['ends']
  if (kind === 'file') return ['ends', 'destroyed']
  return kind in streams ? ['ends', 'fails', 'stalls', 'destroyed'] : ['ends', 'fails', 'stalls']
}

/** Error codes of requests whose body was destroyed without an error: before and after dispatch. */
const DESTROYED = ['UND_ERR_INVALID_ARG', 'ERR_STREAM_PREMATURE_CLOSE']

/** Uploads a random body, which may fail or stall, to a server that may fail too. */
async function send(context: OperationContext, path: string): Promise<void> {
  const any = <T>(list: readonly T[]): T => list[Math.floor(context.random() * list.length)] as T
  const given = pattern(2 + context.random() * 30_000)
  const kind = any(Object.keys(makers) as Kind[])
  const fate = any(fatesOf(kind))
  const source: Source = await makers[kind](given, fate)
  if (fate === 'destroyed') soon(context, () => source.destroy?.(context.random() < 0.5 ? failure() : undefined))
  const abort = new AbortController()
  if (fate === 'stalls') setTimeout(() => abort.abort(), context.random() * 20)
  else if (context.random() < 0.3) soon(context, () => abort.abort())
  const parts = { method: 'PUT', body: source.body as Readable, signal: abort.signal }
  try {
    const { body } = await context.dispatcher.request(options(context, path, parts))
    const echoed = Buffer.from(await body.arrayBuffer())
    if (path !== '/echo' || kind === 'file') return
    if (kind !== 'form') same(echoed, source.encoded ?? given, kind)
    else if (!echoed.includes(given)) throw new Error('the echo does not contain the file of the form')
  } catch (error) {
    const destroyedByCaller = fate === 'destroyed' && DESTROYED.includes((error as { code?: string }).code ?? '')
    const failed = source.codes?.includes((error as { code?: string }).code ?? '')
    if (error !== abort.signal.reason && !destroyedByCaller && !failed) throw error
  } finally {
    const until = performance.now() + TIMEOUT
    while (!source.closed() && performance.now() < until) await sleep(5)
    if (!source.closed())
      context.results.addProblem(`${context.name}: a body is still open; kind: ${kind}, fate: ${fate}`)
    const problem = (await source.finish?.()) ?? null
    if (problem !== null) context.results.addProblem(`${context.name}: ${problem}; fate: ${fate}`)
  }
}

const BROKEN = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']

export const uploads: readonly Operation[] = [
  { name: 'upload of any kind', codes: [FAILED], run: (context) => send(context, '/echo') },
]

/** Uploads to servers that close before they have read the body. */
export const lostUploads: readonly Operation[] = [
  { name: 'lost upload', codes: [FAILED, 'UND_ERR_REQ_RETRY', ...BROKEN], run: (context) => send(context, '/early') },
  { name: 'reset upload', codes: [FAILED, 'UND_ERR_REQ_RETRY', ...BROKEN], run: (context) => send(context, '/reset') },
]
