import t from 'tap'
import { filterRecords, MemoryStorage } from '../../lib/interceptors/dns-records.js'

const found = (...addresses: string[]) => ({
  records: { 4: { ips: addresses.map((address) => ({ address, ttl: 1, family: 4 as const })), offset: 0 }, 6: null },
})

t.test('a storage without limit removes expired hosts', async (t) => {
  const storage = new MemoryStorage(Number.POSITIVE_INFINITY)
  for (let i = 0; i < 10_000; i++) storage.set(`brief-${i}.test`, found('127.0.0.1'), { ttl: 0 })
  t.ok(storage.size < 1000, `${storage.size} are kept`)
  for (let i = 0; i < 1000; i++) storage.set(`long-${i}.test`, found('127.0.0.1'), { ttl: 60_000 })
  t.ok(storage.get('long-0.test'))
  t.ok(storage.get('long-999.test'))
  storage.set('long-0.test', null, { ttl: 60_000 })
  t.equal(storage.get('long-0.test'), null)
})

t.test('a full storage removes the oldest host', async (t) => {
  const storage = new MemoryStorage(2)
  for (const host of ['a', 'b', 'a', 'c']) storage.set(host, found('127.0.0.1'), { ttl: 60_000 })
  t.equal(storage.size, 2)
  t.strictSame(
    ['a', 'b', 'c'].filter((host) => storage.get(host) !== null),
    ['a', 'c'],
  )
})

t.test('removing addresses keeps the order of the others', async (t) => {
  for (const [offset, removed, next] of [
    [0, 'a', 'b'],
    [1, 'a', 'b'],
    [2, 'a', 'c'],
    [1, 'b', 'c'],
    [2, 'c', 'a'],
    [5, 'a', 'c'],
  ] as const) {
    const all = found('a', 'b', 'c')
    all.records[4].offset = offset
    const left = filterRecords(all, ({ address }) => address !== removed).records[4]
    t.equal(left?.ips[(left.offset ?? 0) % left.ips.length]?.address, next, `${offset} without ${removed}`)
    t.equal(all.records[4].ips.length, 3)
  }
  t.strictSame(filterRecords(found('a'), () => false).records, { 4: null, 6: null })
})
