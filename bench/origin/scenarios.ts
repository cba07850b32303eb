/** The request that a port of the origin expects, and the response that it sends to each. */
export interface Scenario {
  readonly name: ScenarioName
  readonly method: 'GET' | 'POST'
  /** Request body, or null. */
  readonly upload: Buffer | null
  /** Response body, without framing. */
  readonly body: Buffer
  /** Bytes of the correct response. */
  readonly response: Buffer
  /** Bytes that are sent: the correct response, except in the scenario `wrong`. */
  readonly sent: Buffer
  /** Whether the origin closes the connection after each response. */
  readonly closes: boolean
  /** Body bytes per request in scenarios that measure MB/s, otherwise 0. */
  readonly volume: number
  /** Time in ms, once each second, in which the origin does not respond. */
  readonly stall: number
  /** Delay of each response in ms. */
  readonly delay: number
}

export type ScenarioName =
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

const headerLines = (names: readonly string[]): string => names.map((line) => `${line}\r\n`).join('')

const defaultHeaders = [
  'content-type: application/json; charset=utf-8',
  'date: Sat, 21 Nov 2026 00:00:00 GMT',
  'connection: keep-alive',
  'keep-alive: timeout=72',
]

const manyFields = Array.from(
  { length: 35 },
  (_, index) => `x-field-${index}: value ${index} of some length, as caches and gateways add`,
)

/** Returns bytes that depend on their position: byte `i` is `patternAt(i)`. */
export function pattern(size: number): Buffer {
  return Buffer.alloc(size, PATTERN, 'latin1')
}

const PATTERN = 'abcdefghijklmnopqrstuvw'

export const patternAt = (index: number): number => 97 + (index % PATTERN.length)

function scenario(name: ScenarioName, given: Partial<Scenario> & { head?: string[] }): Scenario {
  const { head = defaultHeaders, ...rest } = given
  const body = given.body ?? Buffer.from(SMALL)
  const start = `HTTP/1.1 200 OK\r\n${headerLines([...head, `content-length: ${body.length}`])}\r\n`
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

function chunkedScenario(): Scenario {
  const chunk = pattern(32)
  const body = Buffer.concat(Array.from({ length: CHUNKS }, () => chunk))
  const framed = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(CHUNKS)
  const head = `HTTP/1.1 200 OK\r\n${headerLines([...defaultHeaders, 'transfer-encoding: chunked'])}\r\n`
  return scenario('chunked', { body, response: Buffer.from(`${head}${framed}0\r\n\r\n`, 'latin1') })
}

const makers: Record<ScenarioName, () => Scenario> = {
  small: () => scenario('small', {}),
  post: () => scenario('post', { method: 'POST', upload: pattern(1024) }),
  fields: () => scenario('fields', { head: [...defaultHeaders, ...manyFields] }),
  chunked: chunkedScenario,
  closing: () => scenario('closing', { head: ['content-type: application/json', 'connection: close'], closes: true }),
  download: () => scenario('download', { body: pattern(LARGE), volume: LARGE }),
  upload: () => scenario('upload', { method: 'POST', upload: pattern(LARGE), volume: LARGE }),
  wrong: () =>
    scenario('wrong', { sent: Buffer.from(scenarioOf('small').response.toString().replace('world', 'would')) }),
  delayed: () => scenario('delayed', { delay: 20 }),
  /** Pauses once each second, like an origin with long garbage collections. */
  stalling: () => scenario('stalling', { stall: 250 }),
}

const cache = new Map<ScenarioName, Scenario>()

export function scenarioOf(name: ScenarioName): Scenario {
  let found = cache.get(name)
  if (found === undefined) {
    found = makers[name]()
    cache.set(name, found)
  }
  return found
}
