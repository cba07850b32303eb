import { type ResponseInput, WIDE } from './response-input.js'

/** Former findings: inputs, and how to read them. */
export interface Regression {
  readonly note: string
  readonly input: ResponseInput
  readonly plan: number
}

const GET = { method: 'GET' }
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

export const regressions: readonly Regression[] = [
  {
    note: 'a field name that llhttp knows, and a space behind it, at the limit of trailers: it counted a byte more',
    input: {
      raw: `${CHUNKED}3\r\nabc\r\n0\r\nDate: \r\nUpgrade : x\r\n\r\n`,
      requests: [GET],
      eof: false,
      limits: { ...WIDE, maxChunkOverhead: 20 },
    },
    plan: 1,
  },
  {
    note: 'one trailer too many where its colon is one byte too many: what llhttp had taken of it was a byte more',
    input: {
      raw: `${CHUNKED}000;a="b c"\r\nUpgrade:x\r\npq:b c\r\n\r\n`,
      requests: [GET],
      eof: false,
      limits: { ...WIDE, maxHeaderCount: 1, maxChunkOverhead: 26 },
    },
    plan: 2,
  },
  {
    note: 'a chunk extension above its limit, with trailers in the same read: it was accepted',
    input: {
      raw: `${CHUNKED}000;a=b;c="d"\r\nx-y:\r\nz: a\r\n\r\n`,
      requests: [GET],
      eof: true,
      limits: { ...WIDE, maxChunkOverhead: 3 },
    },
    plan: 999754395,
  },
]
