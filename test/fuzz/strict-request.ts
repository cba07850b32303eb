/** A request, as a strict RFC 9112 server parses it. */
export interface ReadRequest {
  readonly method: string
  readonly target: string
  /** Name, value, name, value, … */
  readonly fields: readonly string[]
  /** One character per byte. */
  readonly body: string
  /** Whether the connection switches to another protocol. */
  readonly tunnel: boolean
}

/** `wrong`: malformed. `more`: incomplete. Otherwise the request, and where the next one begins. */
export type Reading =
  | { readonly state: 'wrong'; readonly why: string }
  | { readonly state: 'more'; readonly headComplete: boolean; readonly expects: boolean }
  | { readonly state: 'complete'; readonly request: ReadRequest; readonly next: number }

const START = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.1$/
const FIELD =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/
const HOST = /^[\x21-\x7e]+$/

class Wrong extends Error {}

function valuesOf(fields: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() === name) values.push(fields[i + 1] as string)
  }
  return values
}

function linesOf(text: string): string[] {
  if (/[\0\n\r]/.test(text.replaceAll('\r\n', ''))) throw new Wrong('a control character, or half a line end')
  return text === '' ? [] : text.split('\r\n')
}

function fieldsOf(lines: readonly string[]): string[] {
  const fields: string[] = []
  for (const line of lines) {
    const match = FIELD.exec(line)
    if (match === null) throw new Wrong(`no field: ${JSON.stringify(line)}`)
    fields.push(match[1] as string, match[2] as string)
  }
  return fields
}

/** Parses the request in `text` at `from`. */
export function readRequest(text: string, from = 0): Reading {
  const end = text.indexOf('\r\n\r\n', from)
  if (end < 0) return { state: 'more', headComplete: false, expects: false }
  try {
    const [start = '', ...lines] = linesOf(text.slice(from, end))
    const match = START.exec(start)
    if (match === null) throw new Wrong(`no request line: ${JSON.stringify(start)}`)
    const [, method = '', target = ''] = match
    const fields = fieldsOf(lines)
    checkTarget(method, target)
    const hosts = valuesOf(fields, 'host')
    if (hosts.length !== 1 || !HOST.test(hosts[0] as string)) throw new Wrong(`hosts ${JSON.stringify(hosts)}`)
    const tunnel = method === 'CONNECT' || valuesOf(fields, 'upgrade').length > 0
    const body = readBody(fields, text, end + 4)
    if (body === null) {
      return { state: 'more', headComplete: true, expects: valuesOf(fields, 'expect').length > 0 }
    }
    return { state: 'complete', request: { method, target, fields, body: body.content, tunnel }, next: body.next }
  } catch (error) {
    if (error instanceof Wrong) return { state: 'wrong', why: error.message }
    throw error
  }
}

/** Checks a request target (RFC 9112 §3.2). */
function checkTarget(method: string, target: string): void {
  if (method === 'CONNECT' || target.startsWith('/') || /^https?:\/\/./i.test(target)) return
  if (target !== '*' || method !== 'OPTIONS') throw new Wrong(`target ${target}`)
}

interface Body {
  readonly content: string
  readonly next: number
}

/** Returns the end of the body (RFC 9112 §6.3), or null if more bytes are needed. */
function readBody(fields: readonly string[], text: string, from: number): Body | null {
  const lengths = valuesOf(fields, 'content-length')
  const codings = valuesOf(fields, 'transfer-encoding')
  if (lengths.length + codings.length > 1) throw new Wrong('framed in two ways')
  if (codings.length === 1) {
    if (codings[0] !== 'chunked') throw new Wrong(`coding ${codings[0]}`)
    return readChunks(text, from)
  }
  if (lengths.length === 0) return { content: '', next: from }
  if (!/^\d{1,15}$/.test(lengths[0] as string)) throw new Wrong(`length ${lengths[0]}`)
  const next = from + Number(lengths[0])
  return next > text.length ? null : { content: text.slice(from, next), next }
}

function readChunks(text: string, from: number): Body | null {
  let content = ''
  for (let at = from; ; ) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) return null
    const line = text.slice(at, end)
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new Wrong(`chunk size ${JSON.stringify(line)}`)
    const size = Number.parseInt(line, 16)
    const start = end + 2
    if (text.length < start + size + 2) return null
    if (text.slice(start + size, start + size + 2) !== '\r\n') throw new Wrong('data longer than its size, or trailers')
    if (size === 0) return { content, next: start + 2 }
    content += text.slice(start, start + size)
    at = start + size + 2
  }
}
