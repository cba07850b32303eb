import zlib from 'node:zlib'
import t from 'tap'
import { Client, interceptors } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'
import { type Attack, counted, each } from './catalogue.js'
import { get, outcome } from './requests-to-attacker.js'

/** A small response that decompresses to a large body. */
interface Bomb extends Attack {
  coding: string
  body: Buffer
  sluice: string
}

const SIZE = 50_000_000
const LIMIT = 1_000_000
const zeros = Buffer.alloc(SIZE)
const TOO_MUCH = 'UND_ERR_RES_EXCEEDED_MAX_SIZE'
const good = 'stops at maxSize'
const gzipped = zlib.gzipSync(zeros)

const bombs: Bomb[] = [
  { what: 'gzip', good, coding: 'gzip', body: gzipped, sluice: TOO_MUCH },
  { what: 'deflate', good, coding: 'deflate', body: zlib.deflateSync(zeros), sluice: TOO_MUCH },
  { what: 'bare deflate', good, coding: 'deflate', body: zlib.deflateRawSync(zeros), sluice: TOO_MUCH },
  {
    what: 'br',
    good,
    coding: 'br',
    body: zlib.brotliCompressSync(zeros, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
    sluice: TOO_MUCH,
  },
  { what: 'gzip in gzip', good, coding: 'gzip, gzip', body: zlib.gzipSync(gzipped), sluice: TOO_MUCH },
  { what: 'gzip in br', good, coding: 'gzip, br', body: zlib.brotliCompressSync(gzipped), sluice: TOO_MUCH },
  {
    what: 'many gzip members',
    good,
    coding: 'gzip',
    body: Buffer.concat(Array(60).fill(zlib.gzipSync(Buffer.alloc(20_000)))),
    sluice: TOO_MUCH,
  },
  {
    what: 'six content codings',
    good: 'refuses',
    coding: Array(6).fill('gzip').join(),
    body: gzipped,
    sluice: 'UND_ERR_NOT_SUPPORTED',
  },
  {
    what: 'bytes that are not gzip',
    good: 'fails',
    coding: 'gzip',
    body: Buffer.from('nothing'),
    sluice: 'Z_DATA_ERROR',
  },
  { what: 'half a gzip', good: 'fails', coding: 'gzip', body: gzipped.subarray(0, 20), sluice: 'Z_BUF_ERROR' },
]

t.test('limits the size of decompressed bodies', (t) =>
  each(t, bombs, async (t, { coding, body, sluice }) => {
    const origin = await httpOrigin((_request, reply) => {
      reply.writeHead(200, { 'content-encoding': coding }).end(body)
    })
    const client = new Client(origin.url)
    const limited = client.compose(interceptors.decompress({ maxSize: LIMIT }))
    t.equal(await outcome(limited as never), sluice)
    await client.destroy()
    await origin.close()
  }),
)

t.test('without a limit, decompresses only what the caller reads', async (t) => {
  const origin = await httpOrigin((_request, reply) => {
    reply.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipped)
  })
  const client = new Client(origin.url)
  const held = () => process.memoryUsage().heapUsed + process.memoryUsage().external
  const before = held()
  const { body } = await client.compose(interceptors.decompress()).request(get)
  await new Promise((resolve) => body.once('readable', resolve))
  const first: Buffer = body.read()
  await new Promise(setImmediate)
  t.ok(first.length < LIMIT && body.readableLength < LIMIT, 'few decoded bytes are buffered')
  t.ok(held() - before < SIZE, 'memory use stays below the decoded size')
  body.on('error', () => {}).destroy()
  await client.destroy()
  await origin.close()
})

t.test('README.md has the number of these attacks', counted)
