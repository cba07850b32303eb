import type { Usage } from '../origin/origin.js'
import { sceneOf } from '../origin/scenes.js'
import type { Curve, FixedRate, Throughput, Workload } from '../workloads/workload.js'
import type { Arrived } from './arrivals.js'
import { told } from './channel.js'
import type { Round } from './closed-loop.js'
import { type Histogram, latencyOf } from './histogram.js'
import { fieldOf, type Options } from './options.js'
import type { Started } from './processes.js'
import type { CurveResult, Result, Row, TableResult } from './results.js'
import type { Runner } from './runner.js'
import type { Contender } from './session.js'
import { median, orderOf, ratio, type Summary, summarize } from './statistics.js'

type Encoded<T> = T & { latency: string }

/** A contender in a workload: its process, and what has come of it so far. */
interface Entrant {
  contender: Contender
  started: Started | null
  failure: string | null
  rates: number[]
  cpu: number[]
  busy: number[]
  histogram: Histogram
  peak: number | null
}

type How = Pick<Options, 'mode' | 'only' | 'rounds' | 'seconds' | 'warm'>

export async function measure(runner: Runner, workload: Workload, how: How): Promise<Result> {
  if (workload.kind === 'curve') return measureCurve(runner, workload, how)
  return workload.kind === 'rate' ? measureAtRate(runner, workload, how) : measureThroughput(runner, workload, how)
}

async function enter(runner: Runner, workload: Workload, field: readonly Contender[]): Promise<Entrant[]> {
  const build = await runner.packages.histogram()
  const setup = await runner.setup(workload)
  return Promise.all(
    field.map(async (contender) => {
      const entrant: Entrant = {
        contender,
        started: null,
        failure: null,
        rates: [],
        cpu: [],
        busy: [],
        histogram: build(),
        peak: null,
      }
      await attempt(entrant, async () => {
        entrant.started = await runner.session(contender, setup)
      })
      return entrant
    }),
  )
}

/** Does something with a contender; what fails ends its part. */
async function attempt(entrant: Entrant, act: () => Promise<void>): Promise<void> {
  if (entrant.failure !== null) return
  try {
    await act()
  } catch (error) {
    entrant.failure = told(error)
    await entrant.started?.close()
  }
}

async function leave(entrants: readonly Entrant[]): Promise<void> {
  for (const entrant of entrants) {
    await attempt(entrant, async () => {
      entrant.peak = (await entrant.started?.channel.ask<number>('peak')) ?? null
    })
    await entrant.started?.close()
  }
}

async function add(entrant: Entrant, runner: Runner, encoded: string): Promise<void> {
  const { decodeFromCompressedBase64 } = await runner.packages.load('hdr-histogram-js')
  entrant.histogram.add(decodeFromCompressedBase64(encoded))
}

/** In each round every contender once, there and back; a failure ends the part of one. */
async function inTurns(entrants: readonly Entrant[], rounds: number, act: (entrant: Entrant) => Promise<void>) {
  for (let round = 0; round < rounds; round++) {
    for (const entrant of orderOf(entrants, round)) await attempt(entrant, () => act(entrant))
  }
}

async function measureThroughput(runner: Runner, workload: Throughput, how: How): Promise<TableResult> {
  const { volume } = sceneOf(workload.scene)
  const entrants = await enter(runner, workload, fieldOf(workload, how))
  const width = workload.connections * workload.pipelining
  const run = (entrant: Entrant, warm: number, seconds: number) =>
    (entrant.started as Started).channel.ask<Encoded<Round>>('run', { width, warm, seconds })
  await inTurns(entrants, 1, async (entrant) => void (await run(entrant, how.warm, 0.01)))
  await inTurns(entrants, how.rounds, async (entrant) => {
    const before = await runner.usage()
    const started = performance.now()
    const round = await run(entrant, how.seconds / 5, how.seconds)
    entrant.busy.push(busyShare(before, await runner.usage(), performance.now() - started))
    entrant.rates.push((round.requests / round.seconds) * (volume === 0 ? 1 : volume / 1e6))
    entrant.cpu.push(round.cpu / round.requests)
    await add(entrant, runner, round.latency)
  })
  await leave(entrants)
  const { name, title } = workload
  const unit = volume === 0 ? 'requests/s' : 'MB/s'
  return { kind: 'throughput', name, title, unit, fixedRate: null, rows: rowsOf(entrants) }
}

function busyShare(before: Usage, after: Usage, ms: number): number {
  return (after.cpu - before.cpu) / 1000 / ms
}

/** First what undici can do, then all at half of it. */
async function measureAtRate(runner: Runner, workload: FixedRate, how: How): Promise<TableResult> {
  const half = (await maximum(runner, workload, how)) / 2
  const rate = Math.max(1, Math.floor(half / 100) * 100)
  const entrants = await enter(runner, workload, fieldOf(workload, how))
  const arrive = (entrant: Entrant, warm: number, seconds: number) =>
    (entrant.started as Started).channel.ask<Encoded<Arrived>>('arrive', { rate, warm, seconds })
  await inTurns(entrants, 1, async (entrant) => void (await arrive(entrant, how.warm, 0.01)))
  await inTurns(entrants, how.rounds, async (entrant) => {
    // Tails need samples: more of them than throughput does.
    const arrived = await arrive(entrant, how.seconds / 5, how.seconds * 3)
    entrant.rates.push(arrived.requests / arrived.seconds)
    await add(entrant, runner, arrived.latency)
  })
  await leave(entrants)
  const { name, title } = workload
  return { kind: 'rate', name, title, unit: 'requests/s', fixedRate: rate, rows: rowsOf(entrants) }
}

async function maximum(runner: Runner, workload: FixedRate, how: How): Promise<number> {
  const calibration: Throughput = { ...workload, kind: 'throughput' }
  const only = ['undici']
  const { rows } = await measureThroughput(runner, calibration, { ...how, only })
  const [row] = rows
  if (row === undefined || row.failure !== null) throw new Error(`no maximum of undici: ${row?.failure}`)
  return row.rate.median
}

function rowsOf(entrants: readonly Entrant[]): Row[] {
  const medianOf = (role: Row['role']): number => {
    const rates = entrants.filter(({ contender }) => contender.role === role).map((entrant) => median(entrant.rates))
    return Math.max(0, ...rates.filter(Number.isFinite))
  }
  const [peer, floor] = [medianOf('peer'), medianOf('floor')]
  return entrants.map(({ contender, failure, rates, cpu, busy, histogram, peak }) => {
    const rate = summarize(rates)
    const { name, role } = contender
    return {
      contender: name,
      role,
      failure,
      rounds: rates,
      rate,
      toPeer: ratio(rate.median, peer),
      toFloor: ratio(rate.median, floor),
      cpu: cpu.length === 0 ? null : median(cpu),
      latency: histogram.totalCount === 0 ? null : latencyOf(histogram),
      peak,
      originBusy: busy.length === 0 ? null : median(busy),
    }
  })
}

/** A process of its own for each figure: memory in particular is what came before. */
async function measureCurve(runner: Runner, workload: Curve, how: How): Promise<CurveResult> {
  const field = fieldOf(workload, how)
  const sizes = how.mode === 'quick' && workload.quickSizes.length > 0 ? workload.quickSizes : workload.sizes
  const samples = new Map(field.map(({ name }) => [name, sizes.map((): number[] => [])]))
  const failed = new Map<string, string>()
  const rounds = how.mode === 'quick' ? 1 : Math.min(how.rounds, 3)
  for (const [index, size] of sizes.entries()) {
    const setup = await runner.setup(workload, workload.probe === 'upstreams' ? size : 1)
    for (let round = 0; round < rounds; round++) {
      for (const { name } of orderOf(field, round)) {
        if (failed.has(name)) continue
        const started = runner.contender(['--max-old-space-size=6144'])
        const given = { probe: workload.probe, contender: name, setup, folder: runner.packages.folder, size }
        try {
          samples.get(name)?.[index]?.push(await started.channel.ask<number>('probe', given))
        } catch (error) {
          failed.set(name, told(error))
        }
        await started.close()
      }
    }
  }
  const { name, title, unit, axis } = workload
  const series = field.map((contender) => {
    const values = (samples.get(contender.name) ?? []).map((list): Summary | null => {
      return list.length === 0 ? null : summarize(list)
    })
    return { contender: contender.name, role: contender.role, values, failure: failed.get(contender.name) ?? null }
  })
  return { kind: 'curve', name, title, unit, axis, sizes, series }
}
