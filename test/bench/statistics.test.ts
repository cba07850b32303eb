import t from 'tap'
import { median, orderOf, ratio, summarize } from '../../bench/harness/statistics.js'

t.test('the median is the middle, of an even number the mean of both', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.ok(Number.isNaN(median([])))
})

t.test('a summary has median, both ends, and a spread that one outlier does not move', async (t) => {
  t.strictSame(summarize([10, 12, 11, 13, 1000]), { median: 12, low: 10, high: 1000, deviation: 1 })
  t.strictSame(summarize([7]), { median: 7, low: 7, high: 7, deviation: 0 })
})

t.test('a ratio needs something to compare with', async (t) => {
  t.equal(ratio(30, 20), 1.5)
  for (const base of [0, null, undefined, Number.NaN]) t.equal(ratio(30, base), null)
  t.equal(ratio(Number.NaN, 20), null)
})

t.test('rounds go there and back', async (t) => {
  const contenders = ['a', 'b', 'c']
  t.strictSame(orderOf(contenders, 0), ['a', 'b', 'c'])
  t.strictSame(orderOf(contenders, 1), ['c', 'b', 'a'])
  t.strictSame(contenders, ['a', 'b', 'c'])
})
