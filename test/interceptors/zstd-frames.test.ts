import { PassThrough } from 'node:stream'
import t from 'tap'
import { ZstdDecoder, ZstdFrameParser } from '../../lib/interceptors/zstd-frames.js'

const from = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Frames (RFC 8878), field by field: magic number, descriptor, window, dictionary, content size; then blocks. */
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

/** Parts of each frame when the bytes arrive in the given chunks. */
function framesIn(pieces: readonly Buffer[]): { found: string[]; complete: boolean } {
  const reader = new ZstdFrameParser()
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

t.test('finds all frames of data split at any byte', async (t) => {
  const all = [...Object.values(frames), skippable.long, ...Object.values(frames), skippable.empty]
  const wanted = [...Object.values(frames), ...Object.values(frames)].map((frame) => frame.toString('hex'))
  const bytes = Buffer.concat(all)
  for (let at = 0; at <= bytes.length; at++) {
    const { found, complete } = framesIn([bytes.subarray(0, at), bytes.subarray(at)])
    if (!complete || found.join() !== wanted.join()) t.fail(`split at ${at}`)
  }
  t.strictSame(framesIn(Array.from(bytes, (byte) => Buffer.of(byte))), { found: wanted, complete: true })
})

t.test('detects truncated frames', async (t) => {
  for (const [name, frame] of Object.entries({ ...frames, ...skippable })) {
    for (let at = 0; at < frame.length; at++) t.notOk(framesIn([frame.subarray(0, at)]).complete, `${name} at ${at}`)
    t.ok(framesIn([frame]).complete, name)
  }
})

t.test('rejects data that is not a frame', async (t) => {
  for (const [bytes, code] of [
    [Buffer.from('none'), 'ZSTD_error_prefix_unknown'],
    [from('602a4d18 00000000'), 'ZSTD_error_prefix_unknown'],
    [from('28b52ffd 20 00 070000'), 'ZSTD_error_corruption_detected'],
  ] as const) {
    t.throws(() => framesIn([bytes]), { code })
    t.throws(() => framesIn([frames['a checksum'] as Buffer, bytes]), { code })
  }
})

/** Decoders that return their input and record it. */
function runtime(part: { decodesAllFrames?: boolean; open?: () => PassThrough } = {}) {
  const opened: Buffer[][] = []
  const whole: Buffer[] = []
  const open = () => {
    const pieces: Buffer[] = []
    opened.push(pieces)
    return (part.open?.() ?? new PassThrough()).on('data', (chunk: Buffer) => pieces.push(chunk))
  }
  const decode = (frame: Buffer) => {
    whole.push(frame)
    return frame
  }
  return { opened, whole, open, decode, decodesAllFrames: part.decodesAllFrames ?? false }
}

/** Output of a decoder that receives `input` in chunks of `size` bytes. */
async function decoded(decoder: ZstdDecoder, input: Buffer, size: number): Promise<string> {
  const chunks: Buffer[] = []
  decoder.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise((resolve, reject) => decoder.on('end', resolve).on('error', reject))
  for (let at = 0; at < input.length; at += size) decoder.write(input.subarray(at, at + size))
  decoder.end()
  await ended
  return Buffer.concat(chunks).toString('hex')
}

const bytes = Buffer.concat([...Object.values(frames), skippable.long])
const wanted = Object.values(frames).map((frame) => frame.toString('hex'))

t.test('creates one decoder for each frame that arrives in parts', async (t) => {
  const made = runtime()
  t.equal(await decoded(new ZstdDecoder(made), bytes, 5), wanted.join(''))
  t.strictSame(
    made.opened.map((pieces) => Buffer.concat(pieces).toString('hex')),
    wanted,
  )
  t.equal(made.whole.length, 0)
})

t.test('decodes complete small frames synchronously and in order', async (t) => {
  const made = runtime()
  const many = Buffer.concat(Array.from({ length: 300 }, () => bytes))
  t.equal(await decoded(new ZstdDecoder(made), many, many.length), wanted.join('').repeat(300))
  t.equal(made.opened.length, 0)
  t.equal(made.whole.length, 300 * wanted.length)
})

t.test('uses one decoder for all frames if the runtime supports it', async (t) => {
  const made = runtime({ decodesAllFrames: true })
  t.equal(await decoded(new ZstdDecoder(made), bytes, 5), bytes.toString('hex'))
  t.equal(made.opened.length, 1)
})

t.test('rejects bodies with too many frames', async (t) => {
  const frame = frames['a checksum'] as Buffer
  const many = Buffer.concat(Array.from({ length: 65_537 }, () => frame))
  await t.rejects(decoded(new ZstdDecoder(runtime()), many, many.length), { code: 'ZSTD_error_frame_count' })
})

t.test('fails truncated and corrupt bodies', async (t) => {
  const errors = async (input: Buffer, open = () => new PassThrough()) => {
    const broken = new ZstdDecoder(runtime({ open }))
    broken.resume()
    const error = new Promise<NodeJS.ErrnoException>((resolve) => broken.once('error', resolve))
    for (let at = 0; at < input.length; at += 3) broken.write(input.subarray(at, at + 3))
    broken.end()
    return (await error).code
  }
  t.equal(await errors(bytes.subarray(0, -1)), 'Z_BUF_ERROR')
  t.equal(await errors(Buffer.alloc(0)), 'Z_BUF_ERROR')
  t.equal(await errors(Buffer.from('none')), 'ZSTD_error_prefix_unknown')
  const spoilt = new PassThrough()
  spoilt._transform = (_chunk, _encoding, done) => done(Object.assign(new Error('spoilt'), { code: 'SPOILT' }))
  t.equal(await errors(bytes, () => spoilt), 'SPOILT')
})
