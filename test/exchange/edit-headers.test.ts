import t from 'tap'
import { hasHeader, rereadableHeaders, withHeaders, withoutHeaders } from '../../lib/exchange/edit-headers.js'
import { flattenHeaders, type HeadersInput } from '../../lib/wire/headers.js'

const fields: [string, string][] = [
  ['A', '1'],
  ['Host', 'old'],
  ['b', '2'],
]
const forms: [string, () => HeadersInput, HeadersInput][] = [
  ['an object', () => Object.fromEntries(fields), { host: 'new', A: '1', b: '2' }],
  ['a flat array', () => fields.flat(), ['host', 'new', 'A', '1', 'b', '2']],
  [
    'pairs',
    () => fields,
    [
      ['host', 'new'],
      ['A', '1'],
      ['b', '2'],
    ],
  ],
  ['a Map', () => new Map(fields), { host: 'new', A: '1', b: '2' }],
  ['an iterator', () => fields.values(), { host: 'new', A: '1', b: '2' }],
  ['nothing', () => undefined, { host: 'new' }],
]

t.test('headers keep their form when a header is added or removed', async (t) => {
  for (const [form, make, expected] of forms) {
    t.strictSame(withHeaders(make(), ['host', 'new']), expected, `${form}, added`)
    const left = flattenHeaders(withoutHeaders(make(), (name) => name === 'host'))
    t.strictSame(left, form === 'nothing' ? [] : ['A', '1', 'b', '2'], `${form}, removed`)
    t.equal(hasHeader(make(), 'host'), form !== 'nothing', form)
  }
})

t.test('an object keeps values that only an object can have', async (t) => {
  const own = Object.defineProperty({ a: ['1', '2'], n: 3 }, '__proto__', { value: 'x', enumerable: true })
  t.strictSame(flattenHeaders(withHeaders(own, ['c', '4'])), ['c', '4', 'a', '1', 'a', '2', 'n', '3', '__proto__', 'x'])
  t.strictSame(withHeaders({ host: undefined, a: '1' }, ['host', 'x']), { host: 'x', a: '1' })
  t.notOk(hasHeader({ host: undefined }, 'host') || hasHeader({ host: [] }, 'host') || hasHeader('x' as never, 'x'))
})

t.test('an iterator becomes an object, with repeated headers as an array', async (t) => {
  const pairs = [
    ['a', '1'],
    ['a', '2'],
    ['b', '3'],
  ] as [string, string][]
  t.strictSame(rereadableHeaders(pairs.values()), { a: ['1', '2'], b: '3' })
  const map = new Map([['a', '1']])
  t.equal(rereadableHeaders(map), map)
})

t.test('invalid headers are rejected, or left unchanged for the check of the request', async (t) => {
  t.throws(() => withHeaders([['a', '1'], 5] as never, ['b', '2']), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => flattenHeaders(withHeaders(['a'] as never, ['b', '2'])), { code: 'UND_ERR_INVALID_ARG' })
  t.equal(withHeaders('x' as never, ['b', '2']), 'x')
})
