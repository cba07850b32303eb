/** What one port of the origin answers, the same for every request, and what it must be sent. */
export interface Scene {
  readonly name: SceneName
  readonly method: 'GET' | 'POST'
  /** The body to send; null for none. */
  readonly upload: Buffer | null
  /** The body that comes back, without its framing. */
  readonly body: Buffer
  /** Head and body as they should go over the wire. */
  readonly response: Buffer
  /** As they do: the same, but where contenders must find out that it is not. */
  readonly sent: Buffer
  /** The connection ends after each response. */
  readonly closes: boolean
  /** Bytes of body that each request moves, where that is what counts; else 0. */
  readonly volume: number
  /** The origin answers nothing for this time (ms) once in every second. */
  readonly stall: number
  /** ms that each answer comes late by. */
  readonly delay: number
}

export type SceneName =
  | 'small'
  | 'post'
  | 'fields'
  | 'chunked'
  | 'closing'
  | 'download'
  | 'upload'
  | 'wrong'
  | 'stalling'
  | 'delayed'

const SMALL = '{"hello":"world"}'
const LARGE = 10 * 1024 * 1024
const CHUNKS = 100

const fields = (names: readonly string[]): string => names.map((line) => `${line}\r\n`).join('')

const usual = [
  'content-type: application/json; charset=utf-8',
  'date: Sat, 21 Nov 2026 00:00:00 GMT',
  'connection: keep-alive',
  'keep-alive: timeout=72',
]

const manyFields = Array.from(
  { length: 35 },
  (_, index) => `x-field-${index}: value ${index} of some length, as caches and gateways add`,
)

/** Bytes that tell where they stand: byte `i` is `patternAt(i)`. */
export function pattern(size: number): Buffer {
  return Buffer.alloc(size, PATTERN, 'latin1')
}

const PATTERN = 'abcdefghijklmnopqrstuvw'

export const patternAt = (index: number): number => 97 + (index % PATTERN.length)

function scene(name: SceneName, given: Partial<Scene> & { head?: string[] }): Scene {
  const { head = usual, ...rest } = given
  const body = given.body ?? Buffer.from(SMALL)
  const start = `HTTP/1.1 200 OK\r\n${fields([...head, `content-length: ${body.length}`])}\r\n`
  const response = given.response ?? Buffer.concat([Buffer.from(start, 'latin1'), body])
  const defaults = {
    method: 'GET',
    upload: null,
    closes: false,
    volume: 0,
    stall: 0,
    delay: 0,
    sent: response,
  } as const
  return { name, ...defaults, ...rest, body, response }
}

function chunkedScene(): Scene {
  const chunk = pattern(32)
  const body = Buffer.concat(Array.from({ length: CHUNKS }, () => chunk))
  const framed = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(CHUNKS)
  const head = `HTTP/1.1 200 OK\r\n${fields([...usual, 'transfer-encoding: chunked'])}\r\n`
  return scene('chunked', { body, response: Buffer.from(`${head}${framed}0\r\n\r\n`, 'latin1') })
}

const makers: Record<SceneName, () => Scene> = {
  small: () => scene('small', {}),
  post: () => scene('post', { method: 'POST', upload: pattern(1024) }),
  fields: () => scene('fields', { head: [...usual, ...manyFields] }),
  chunked: chunkedScene,
  closing: () => scene('closing', { head: ['content-type: application/json', 'connection: close'], closes: true }),
  download: () => scene('download', { body: pattern(LARGE), volume: LARGE }),
  upload: () => scene('upload', { method: 'POST', upload: pattern(LARGE), volume: LARGE }),
  wrong: () => scene('wrong', { sent: Buffer.from(sceneOf('small').response.toString().replace('world', 'would')) }),
  delayed: () => scene('delayed', { delay: 20 }),
  /** Pauses now and then, as an origin that collects garbage does. */
  stalling: () => scene('stalling', { stall: 250 }),
}

const made = new Map<SceneName, Scene>()

export function sceneOf(name: SceneName): Scene {
  let found = made.get(name)
  if (found === undefined) {
    found = makers[name]()
    made.set(name, found)
  }
  return found
}
