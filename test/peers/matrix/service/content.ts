// Response content of the services of this folder. No imports: Bun and Deno run it too.

export const TEXT = 'hello peer\n'.repeat(500)
export const CHUNKS: readonly string[] = Array.from({ length: 100 }, (_value, index) => `chunk ${index}\n`)
export const FIELDS: readonly (readonly [string, string])[] = Array.from(
  { length: 40 },
  (_value, index) => [`x-field-${index}`, `value ${index} ${'v'.repeat(50)}`] as const,
)

const ETAG = '"text"'
const MODIFIED = 'Mon, 01 Jan 2024 00:00:00 GMT'

/** Returns a representation, a range of it, or a conditional response (RFC 9110 §13, §14). */
export interface Selected {
  readonly status: number
  readonly fields: Record<string, string>
  /** Byte range to send. */
  readonly from: number
  readonly to: number
}

export function select(length: number, field: (name: string) => string | null | undefined): Selected {
  const fields = { etag: ETAG, 'last-modified': MODIFIED, 'accept-ranges': 'bytes', 'content-type': 'text/plain' }
  const only = (status: number, more = {}): Selected => ({ status, fields: { ...fields, ...more }, from: 0, to: 0 })
  const match = field('if-match')
  if (match && match !== ETAG) return only(412)
  if (field('if-none-match') === ETAG) return only(304)
  if (!field('if-none-match') && field('if-modified-since') === MODIFIED) return only(304)
  const range = /^bytes=(\d*)-(\d*)$/.exec(field('range') ?? '')
  if (range === null) return { status: 200, fields, from: 0, to: length }
  const [, first = '', last = ''] = range
  const from = first === '' ? length - Number(last) : Number(first)
  const to = first === '' || last === '' ? length : Math.min(length, Number(last) + 1)
  if (from >= length) return only(416, { 'content-range': `bytes */${length}` })
  return { status: 206, fields: { ...fields, 'content-range': `bytes ${from}-${to - 1}/${length}` }, from, to }
}

/** Configuration that every program gets on its command line, as JSON. */
export interface Order {
  readonly ports: { plain: number; secure: number; mutual: number; short: number; echo: number }
  /** Folder of the served files. */
  readonly folder: string
  /** Path of its unix socket. */
  readonly home: string
  /** Whether it compresses responses. */
  readonly gzip: boolean
}
