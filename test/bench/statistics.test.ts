import t from 'tap'
import { median, orderOf, ratio, summarize } from '../../bench/harness/statistics.js'

t.test('the median of an even number of values is the mean of the middle two', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.ok(Number.isNaN(median([])))
})

t.test('one outlier does not change median and deviation of a summary', async (t) => {
  t.strictSame(summarize([10, 12, 11, 13, 1000]), { median: 12, low: 10, high: 1000, deviation: 1 })
  t.strictSame(summarize([7]), { median: 7, low: 7, high: 7, deviation: 0 })
})

t.test('a ratio without a positive base is null', async (t) => {
  t.equal(ratio(30, 20), 1.5)
  for (const base of [0, null, undefined, Number.NaN]) t.equal(ratio(30, base), null)
  t.equal(ratio(Number.NaN, 20), null)
})

t.test('every second round is in reverse order', async (t) => {
  const clients = ['a', 'b', 'c']
  t.strictSame(orderOf(clients, 0), ['a', 'b', 'c'])
  t.strictSame(orderOf(clients, 1), ['c', 'b', 'a'])
  t.strictSame(clients, ['a', 'b', 'c'])
})
