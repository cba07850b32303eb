import { createHistogram } from 'node:perf_hooks'
import type { Test } from 'tap'
import { sluice } from '../../bench/clients/sluice.js'
import type { BenchClient, Session, Setup } from '../../bench/harness/client-session.js'
import type { Histogram } from '../../bench/harness/histogram.js'
import { Packages } from '../../bench/harness/packages.js'
import { Origin } from '../../bench/origin/origin.js'
import type { ScenarioName } from '../../bench/origin/scenarios.js'

/** Creates a histogram of Node's own, so that hdr-histogram-js need not be installed. */
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

/** Opens a session to a new origin, by default of sluice, which needs no package. */
export async function open(
  t: Test,
  scenario: ScenarioName,
  given: Partial<Setup> & { client?: BenchClient; packages?: Packages } = {},
): Promise<{ origin: Origin; session: Session }> {
  const { client = sluice, packages = new Packages(import.meta.dirname), ...rest } = given
  const origin = new Origin()
  const port = await origin.listen(scenario)
  const setup: Setup = {
    urls: [`http://127.0.0.1:${port}/`],
    scenario,
    api: 'dispatch',
    connections: 4,
    pipelining: 1,
    ...rest,
  }
  const session = await client.open(setup, packages)
  t.teardown(async () => {
    await session.close()
    await origin.close()
  })
  return { origin, session }
}

/** Sends one request. */
export function once(session: Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.send((error) => (error === null ? resolve() : reject(error)))
  })
}
