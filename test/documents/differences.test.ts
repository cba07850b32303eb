// Every difference from undici that the README lists is a scenario, which is run with sluice and with undici.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import * as sluice from '../../lib/index.js'
import { outcomes } from './differences/scenarios.js'
import { undiciHere } from './installed-undici.js'

/** Outcomes with sluice and with undici, by the beginning of the entry in the README. */
const expected: Record<string, [string, string]> = {
  'A response body that is shorter than its `content-length`': [
    'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
    'UND_ERR_SOCKET',
  ],
  'A response body that lasts until its connection closes': ['ECONNRESET', '200 x'],
  '`blocking` defaults to `false`': ['2 at once', '1 at once'],
  'A GET or HEAD on a reused connection': ['200 x, then POST: UND_ERR_SOCKET', 'UND_ERR_SOCKET, then POST: 200 x'],
  'An end of the body waits for a handler that paused': [', then 200 x', ', then nothing'],
  'A download is resumed only by a strong etag': ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', '200 abc'],
  '`getGlobalDispatcher()` is that of this package': ['its own', 'taken from there'],
  '`install()` changes no global class': ['the same', 'others'],
  'A path with a character beyond ASCII is refused': ['UND_ERR_INVALID_ARG', '200 x'],
  '`expect: 100-continue` works': ['200 x', 'UND_ERR_NOT_SUPPORTED'],
  'A `RoundRobinPool` opens all its `connections`': ['10', '34 33'],
  '`clientTtl` is kept by a clock': ['closed', 'open'],
  'In `PoolStats`, `queued` are': ['queued 2, pending 1', 'queued 2, pending 3'],
  'A response with `transfer-encoding: chunked` twice': ['HPE_INVALID_TRANSFER_ENCODING', '200 x'],
  'A tab after `content-length`': ['200 x', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'],
  'A `100 Continue` that no request waits for': ['200 x', 'UND_ERR_SOCKET'],
  'The last byte that `content-length` announces': ['2 bytes', '3 bytes'],
  '`pipeline()` sends its body in chunks': ['transfer-encoding', 'content-length'],
  'A GET, HEAD or other request without expected content': ['200 close', '200 keep-alive'],
  'A stream that pushes its content only when it is read': ['200 /', '200 / content-length: 3'],
  'A response with more than 2000 headers': ['UND_ERR_HEADERS_OVERFLOW', '200 x'],
  '`transfer-encoding: chunked` in the headers of a request': ['200 transfer-encoding', 'UND_ERR_INVALID_ARG'],
  'More forms of arguments are taken': [
    '200 /?a=1, 200 / x-a: 1, 200 / content-length: 3, 200 / content-length: 1, 1, 200',
    '200 /, UND_ERR_INVALID_ARG, ERR_INVALID_ARG_TYPE, UND_ERR_INVALID_ARG, UND_ERR_NOT_SUPPORTED, UND_ERR_INVALID_ARG',
  ],
  'Names for one connection in the `connection` header': [
    '200 keep-alive, x-a, host null: UND_ERR_INVALID_ARG',
    '200 keep-alive, host null: 200 keep-alive',
  ],
  '`typeOfService` of a request holds for that request': ['32 0', '32'],
  'An unknown name in an object that undici does not have': ['UND_ERR_INVALID_ARG', '200 x'],
  'HTTP/2 is not spoken': ['UND_ERR_NOT_SUPPORTED', 'ERR_HTTP2_ERROR'],
}

const program = fileURLToPath(new URL('./differences/scenarios.js', import.meta.url))
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
const [, section = ''] = /## Where it differs from undici, on purpose\n(.*?)\n## /s.exec(readme) ?? []
const entries = section
  .split(/^- /m)
  .slice(1)
  .map((text) => text.replace(/\s+/g, ' '))
const beginnings = Object.keys(expected)

t.test('every documented difference has a scenario, and the reverse', async (t) => {
  for (const entry of entries)
    t.equal(beginnings.filter((text) => entry.startsWith(text)).length, 1, entry.slice(0, 60))
  t.equal(entries.length, beginnings.length)
})

const found = await outcomes(sluice)
for (const [beginning, [here]] of Object.entries(expected)) {
  t.test(`${beginning} …`, async (t) => {
    t.equal(found[beginning], here)
  })
}

const stage = await undiciHere()
t.test('undici behaves differently in every scenario', { skip: typeof stage === 'string' && stage }, async (t) => {
  const { node, library } = stage as Exclude<typeof stage, string>
  const env = { PATH: process.env.PATH, NODE_V8_COVERAGE: '' }
  const { stdout } = await promisify(execFile)(node, [program, library.href], { env })
  const beside: Record<string, string> = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{')) as string)
  for (const [beginning, [here, there]] of Object.entries(expected)) {
    t.equal(beside[beginning], there, beginning)
    t.not(here, there, beginning)
  }
})
