import { createHistogram } from 'node:perf_hooks'
import type { Test } from 'tap'
import { sluice } from '../../bench/contenders/sluice.js'
import type { Histogram } from '../../bench/harness/histogram.js'
import { Packages } from '../../bench/harness/packages.js'
import type { Contender, Session, Setup } from '../../bench/harness/session.js'
import { Origin } from '../../bench/origin/origin.js'
import type { SceneName } from '../../bench/origin/scenes.js'

/** Node's own in the place of hdr-histogram-js, which needs to be installed. */
export function histogram(): Histogram {
  const node = createHistogram({ figures: 3 })
  return {
    recordValue: (value) => node.record(value),
    getValueAtPercentile: (percentile) => node.percentile(percentile),
    add() {},
    reset: () => node.reset(),
    outputPercentileDistribution: () => '',
    get totalCount() {
      return node.count
    },
    get mean() {
      return node.mean
    },
    get maxValue() {
      return node.max
    },
  }
}

/** A contender that needs no package, at an origin of its own. */
export async function open(
  t: Test,
  scene: SceneName,
  given: Partial<Setup> & { contender?: Contender; packages?: Packages } = {},
): Promise<{ origin: Origin; session: Session }> {
  const { contender = sluice, packages = new Packages(import.meta.dirname), ...rest } = given
  const origin = new Origin()
  const port = await origin.listen(scene)
  const setup: Setup = {
    urls: [`http://127.0.0.1:${port}/`],
    scene,
    api: 'dispatch',
    connections: 4,
    pipelining: 1,
    ...rest,
  }
  const session = await contender.open(setup, packages)
  t.teardown(async () => {
    await session.close()
    await origin.close()
  })
  return { origin, session }
}

/** One request. */
export function once(session: Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.send((error) => (error === null ? resolve() : reject(error)))
  })
}
