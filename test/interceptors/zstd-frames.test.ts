import { PassThrough } from 'node:stream'
import t from 'tap'
import { ZstdDecoder, ZstdFrames } from '../../lib/interceptors/zstd-frames.js'

const from = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Frames after RFC 8878, field by field: magic, descriptor, window, dictionary, size of the content; then blocks. */
const frames: Record<string, Buffer> = {
  'one raw block': from('28b52ffd 20 03 190000 616263'),
  'a window, no size': from('28b52ffd 00 58 190000 616263'),
  'a checksum': from('28b52ffd 24 03 190000 616263 01020304'),
  'a dictionary, size of two bytes': from('28b52ffd 41 58 07 0000 190000 616263'),
  'a dictionary of four, size of four': from('28b52ffd a3 00000007 03000000 190000 616263'),
  'a size of eight bytes': from('28b52ffd e0 0300000000000000 190000 616263'),
  'a raw block, then a repeated byte': from('28b52ffd 20 ff 180000 616263 e30700 72'),
  'an empty block': from('28b52ffd 20 00 010000'),
}
const skippable = { empty: from('502a4d18 00000000'), long: from('5f2a4d18 05000000 28b52ffd 20') }

/** What each frame consists of when the bytes come in the given pieces. */
function framesIn(pieces: readonly Buffer[]): { found: string[]; complete: boolean } {
  const reader = new ZstdFrames()
  const found: string[] = []
  let open = ''
  for (const piece of pieces) {
    for (const { bytes, ends } of reader.take(piece)) {
      open += bytes.toString('hex')
      if (ends) found.push(open)
      if (ends) open = ''
    }
  }
  return { found: open === '' ? found : [...found, `${open}…`], complete: reader.complete }
}

t.test('finds each frame, split anywhere', async (t) => {
  const all = [...Object.values(frames), skippable.long, ...Object.values(frames), skippable.empty]
  const wanted = [...Object.values(frames), ...Object.values(frames)].map((frame) => frame.toString('hex'))
  const bytes = Buffer.concat(all)
  for (let at = 0; at <= bytes.length; at++) {
    const { found, complete } = framesIn([bytes.subarray(0, at), bytes.subarray(at)])
    if (!complete || found.join() !== wanted.join()) t.fail(`split at ${at}`)
  }
  t.strictSame(framesIn(Array.from(bytes, (byte) => Buffer.of(byte))), { found: wanted, complete: true })
})

t.test('knows a frame that is cut off from one that is whole', async (t) => {
  for (const [name, frame] of Object.entries({ ...frames, ...skippable })) {
    for (let at = 0; at < frame.length; at++) t.notOk(framesIn([frame.subarray(0, at)]).complete, `${name} at ${at}`)
    t.ok(framesIn([frame]).complete, name)
  }
})

t.test('refuses what is no frame', async (t) => {
  for (const [bytes, code] of [
    [Buffer.from('none'), 'ZSTD_error_prefix_unknown'],
    [from('602a4d18 00000000'), 'ZSTD_error_prefix_unknown'],
    [from('28b52ffd 20 00 070000'), 'ZSTD_error_corruption_detected'],
  ] as const) {
    t.throws(() => framesIn([bytes]), { code })
    t.throws(() => framesIn([frames['a checksum'] as Buffer, bytes]), { code })
  }
})

t.test('a decoder for each frame', async (t) => {
  const opened: Buffer[][] = []
  const make = () =>
    new ZstdDecoder(() => {
      const pieces: Buffer[] = []
      opened.push(pieces)
      return new PassThrough().on('data', (chunk: Buffer) => pieces.push(chunk))
    })
  const bytes = Buffer.concat([...Object.values(frames), skippable.long])
  const decoder = make()
  const got: Buffer[] = []
  decoder.on('data', (chunk: Buffer) => got.push(chunk))
  for (let at = 0; at < bytes.length; at += 5) decoder.write(bytes.subarray(at, at + 5))
  await new Promise((resolve) => decoder.end(resolve))
  await new Promise(setImmediate)
  const wanted = Object.values(frames).map((frame) => frame.toString('hex'))
  t.strictSame(
    opened.map((pieces) => Buffer.concat(pieces).toString('hex')),
    wanted,
  )
  t.equal(Buffer.concat(got).toString('hex'), wanted.join(''))

  const errors = async (input: Buffer, open = () => new PassThrough()) => {
    const broken = new ZstdDecoder(open)
    broken.resume()
    const error = new Promise<NodeJS.ErrnoException>((resolve) => broken.once('error', resolve))
    broken.end(input)
    return (await error).code
  }
  t.equal(await errors(bytes.subarray(0, -1)), 'Z_BUF_ERROR')
  t.equal(await errors(Buffer.alloc(0)), 'Z_BUF_ERROR')
  t.equal(await errors(Buffer.from('none')), 'ZSTD_error_prefix_unknown')
  const spoilt = new PassThrough()
  spoilt._transform = (_chunk, _encoding, done) => done(Object.assign(new Error('spoilt'), { code: 'SPOILT' }))
  t.equal(await errors(bytes, () => spoilt), 'SPOILT')
})
