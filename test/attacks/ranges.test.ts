import t from 'tap'
import { cut, rest, run, tag } from '../servers/retrying.js'
import { type Answer, message } from '../servers/script.js'
import { type Attack, counted, each } from './catalogue.js'

/** A truncated body whose range response is forged. More cases: interceptors/retry-range.test.ts. */
interface Forgery extends Attack {
  second: Answer
  /** The complete body, if the range response is valid. */
  body?: string
}

function range(contentRange: string, body = '456789', fields: object = {}): string {
  return message('206 P', body, { ...tag, 'content-range': contentRange, ...fields })
}

const forgeries: Forgery[] = [
  { what: 'the rest', good: 'resumes the body', second: rest, body: '0123456789' },
  { what: 'an unknown total', good: 'resumes the body', second: range('bytes 4-9/*'), body: '0123456789' },
  ...[
    ['two ranges in one field', range('bytes 4-9/10, bytes 0-3/10')],
    ['a range of another unit', range('octets 4-9/10')],
    ['a range without a total', range('bytes 4-9')],
    ['a range in hexadecimal', range('bytes 0x4-9/10')],
    ['a range that ends before it begins', range('bytes 9-4/10')],
    ['a range that ends behind the total', range('bytes 4-10/10', '456789X')],
    ['numbers beyond any integer', range('bytes 4-99999999999999999999/99999999999999999999')],
    ['a range that overlaps what came', range('bytes 2-9/10', '23456789')],
    ['the same bytes under another etag', range('bytes 4-9/10', '456789', { etag: '"two"' })],
    ['the same etag, but weak', range('bytes 4-9/10', '456789', { etag: 'W/"one"' })],
    ['a longer whole', range('bytes 4-9/11')],
    ['200 with another body', message('200 OK', 'ABCDEFGHIJ', tag)],
    [
      'parts',
      message('206 P', '--x\r\ncontent-range: bytes 4-9/10\r\n\r\n456789\r\n--x--', {
        ...tag,
        'content-type': 'multipart/byteranges; boundary=x',
      }),
    ],
  ].map(([what, second]) => ({ what: what as string, good: 'fails with what came', second: second as string })),
]

t.test('rejects forged ranges when it resumes a body', (t) =>
  each(t, forgeries, async (t, { second, body }) => {
    const { recorder, requests } = await run([cut, second])
    t.equal(recorder.body, body ?? '0123')
    t.equal(recorder.error?.code ?? null, body === undefined ? 'UND_ERR_REQ_RETRY' : null)
    t.equal(requests.length, 2)
  }),
)

t.test('README.md has the number of these attacks', counted)
