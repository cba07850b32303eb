import t from 'tap'
import { LatencyHistogram } from '../../lib/base/histogram.js'
import fc from '../property.js'

/** The percentile by nearest rank, from a sorted list. */
function exact(times: readonly number[], percent: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent * sorted.length) / 100 - 1e-6) - 1)] as number
}

/** Random whole microseconds over the whole range, in ms. */
const time = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }))
  .map(([power, part]) => Math.floor(part * 2 ** power - 1) / 1000)
const percent = fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constantFrom(0, 50, 90, 99, 99.9, 99.99, 100))

t.test('percentiles are at most 1/128 above those of a sorted list, and never below', async (t) => {
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 300 }), percent, (times, percent) => {
      const histogram = new LatencyHistogram()
      for (const one of times) histogram.record(one)
      const [estimate, real] = [histogram.percentile(percent), exact(times, percent)]
      const mean = times.reduce((sum, one) => sum + one, 0) / times.length
      return (
        estimate >= real &&
        estimate <= real * (1 + 1 / 128) &&
        (real >= 0.256 || estimate === real) &&
        histogram.count === times.length &&
        histogram.max === Math.max(...times) &&
        histogram.percentile(100) === histogram.max &&
        Math.abs(histogram.mean - mean) <= 1e-9 * mean
      )
    }),
  )
  t.pass()
})

t.test('percentiles rise with the percentage and do not depend on the order of recording', async (t) => {
  fc.assert(
    fc.property(fc.array(time, { minLength: 1 }), percent, percent, (times, one, other) => {
      const [histogram, backwards] = [new LatencyHistogram(), new LatencyHistogram()]
      for (const one of times) histogram.record(one)
      for (const one of times.toReversed()) backwards.record(one)
      const [low, high] = [Math.min(one, other), Math.max(one, other)]
      return (
        histogram.percentile(low) <= histogram.percentile(high) &&
        JSON.stringify(histogram) === JSON.stringify(backwards)
      )
    }),
  )
  t.pass()
})

t.test('limits long times, ignores invalid times, and is empty after reset', async (t) => {
  const histogram = new LatencyHistogram()
  const nothing = { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 }
  t.strictSame(histogram.toJSON(), nothing)
  for (const time of [Number.NaN, -1, -Infinity]) histogram.record(time)
  t.equal(histogram.count, 0)
  histogram.record(1e12)
  t.equal(histogram.max, 0xffffffff / 1000, '71 minutes')
  t.equal(histogram.percentile(50), histogram.max)
  histogram.reset()
  t.strictSame(histogram.toJSON(), nothing)
  for (let time = 1; time <= 1000; time++) histogram.record(time)
  const { count, mean, max } = histogram
  t.strictSame({ count, mean, max }, { count: 1000, mean: 500.5, max: 1000 })
  const { p50, p90, p99, p999 } = histogram.toJSON()
  for (const [estimate, real] of [
    [p50, 500],
    [p90, 900],
    [p99, 990],
    [p999, 999],
  ] as const) {
    t.ok(estimate >= real && estimate < real * 1.01, `${estimate} for ${real}`)
  }
})
