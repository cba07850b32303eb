import type { Usage } from '../origin/origin.js'
import { scenarioOf } from '../origin/scenarios.js'
import type { Curve, FixedRate, Throughput, Workload } from '../workloads/workload.js'
import { errorText } from './channel.js'
import type { BenchClient } from './client-session.js'
import type { Round } from './closed-loop.js'
import { type Histogram, latencyOf } from './histogram.js'
import type { OpenLoopResult } from './open-loop.js'
import { type Options, participantsOf } from './options.js'
import type { BenchProcess } from './processes.js'
import type { CurveResult, Result, Row, TableResult } from './results.js'
import type { Runner } from './runner.js'
import { median, orderOf, ratio, type Summary, summarize } from './statistics.js'

type Encoded<T> = T & { latency: string }

/** One client in a workload: its process and its measurements so far. */
interface Participant {
  client: BenchClient
  process: BenchProcess | null
  failure: string | null
  rates: number[]
  cpu: number[]
  busy: number[]
  histogram: Histogram
  peak: number | null
}

type MeasureOptions = Pick<Options, 'mode' | 'only' | 'rounds' | 'seconds' | 'warm'>

export async function measure(runner: Runner, workload: Workload, options: MeasureOptions): Promise<Result> {
  if (workload.kind === 'curve') return measureCurve(runner, workload, options)
  return workload.kind === 'rate'
    ? measureAtRate(runner, workload, options)
    : measureThroughput(runner, workload, options)
}

/** Starts one process for each client. */
async function startClients(
  runner: Runner,
  workload: Workload,
  clients: readonly BenchClient[],
): Promise<Participant[]> {
  const build = await runner.packages.histogram()
  const setup = await runner.setup(workload)
  return Promise.all(
    clients.map(async (client) => {
      const participant: Participant = {
        client,
        process: null,
        failure: null,
        rates: [],
        cpu: [],
        busy: [],
        histogram: build(),
        peak: null,
      }
      await attempt(participant, async () => {
        participant.process = await runner.session(client, setup)
      })
      return participant
    }),
  )
}

/** Runs `act` unless the client has failed before. A failure closes its process. */
async function attempt(participant: Participant, act: () => Promise<void>): Promise<void> {
  if (participant.failure !== null) return
  try {
    await act()
  } catch (error) {
    participant.failure = errorText(error)
    await participant.process?.close()
  }
}

/** Records peak memory and ends the processes. */
async function stopClients(participants: readonly Participant[]): Promise<void> {
  for (const participant of participants) {
    await attempt(participant, async () => {
      participant.peak = (await participant.process?.channel.call<number>('peak')) ?? null
    })
    await participant.process?.close()
  }
}

async function add(participant: Participant, runner: Runner, encoded: string): Promise<void> {
  const { decodeFromCompressedBase64 } = await runner.packages.load('hdr-histogram-js')
  participant.histogram.add(decodeFromCompressedBase64(encoded))
}

/** Runs `act` for every client in each round, in alternating order. A client that fails drops out. */
async function forEachRound(
  participants: readonly Participant[],
  rounds: number,
  act: (participant: Participant) => Promise<void>,
) {
  for (let round = 0; round < rounds; round++) {
    for (const participant of orderOf(participants, round)) await attempt(participant, () => act(participant))
  }
}

async function measureThroughput(runner: Runner, workload: Throughput, options: MeasureOptions): Promise<TableResult> {
  const { volume } = scenarioOf(workload.scenario)
  const participants = await startClients(runner, workload, participantsOf(workload, options))
  const width = workload.connections * workload.pipelining
  const run = (participant: Participant, warm: number, seconds: number) =>
    (participant.process as BenchProcess).channel.call<Encoded<Round>>('run', { width, warm, seconds })
  await forEachRound(participants, 1, async (participant) => void (await run(participant, options.warm, 0.01)))
  await forEachRound(participants, options.rounds, async (participant) => {
    const before = await runner.usage()
    const started = performance.now()
    const round = await run(participant, options.seconds / 5, options.seconds)
    participant.busy.push(utilization(before, await runner.usage(), performance.now() - started))
    participant.rates.push((round.requests / round.seconds) * (volume === 0 ? 1 : volume / 1e6))
    participant.cpu.push(round.cpu / round.requests)
    await add(participant, runner, round.latency)
  })
  await stopClients(participants)
  const { name, title } = workload
  const unit = volume === 0 ? 'requests/s' : 'MB/s'
  return { kind: 'throughput', name, title, unit, fixedRate: null, rows: rowsOf(participants) }
}

function utilization(before: Usage, after: Usage, ms: number): number {
  return (after.cpu - before.cpu) / 1000 / ms
}

/** Measures the maximum rate of undici, then the latency of all clients at half of it. */
async function measureAtRate(runner: Runner, workload: FixedRate, options: MeasureOptions): Promise<TableResult> {
  const half = (await maximum(runner, workload, options)) / 2
  const rate = Math.max(1, Math.floor(half / 100) * 100)
  const participants = await startClients(runner, workload, participantsOf(workload, options))
  const arrive = (participant: Participant, warm: number, seconds: number) =>
    (participant.process as BenchProcess).channel.call<Encoded<OpenLoopResult>>('arrive', { rate, warm, seconds })
  await forEachRound(participants, 1, async (participant) => void (await arrive(participant, options.warm, 0.01)))
  await forEachRound(participants, options.rounds, async (participant) => {
    // High percentiles need more samples than throughput.
    const arrived = await arrive(participant, options.seconds / 5, options.seconds * 3)
    participant.rates.push(arrived.requests / arrived.seconds)
    await add(participant, runner, arrived.latency)
  })
  await stopClients(participants)
  const { name, title } = workload
  return { kind: 'rate', name, title, unit: 'requests/s', fixedRate: rate, rows: rowsOf(participants) }
}

async function maximum(runner: Runner, workload: FixedRate, options: MeasureOptions): Promise<number> {
  const calibration: Throughput = { ...workload, kind: 'throughput' }
  const only = ['undici']
  const { rows } = await measureThroughput(runner, calibration, { ...options, only })
  const [row] = rows
  if (row === undefined || row.failure !== null) throw new Error(`no maximum of undici: ${row?.failure}`)
  return row.rate.median
}

function rowsOf(participants: readonly Participant[]): Row[] {
  const medianOf = (role: Row['role']): number => {
    const rates = participants
      .filter(({ client }) => client.role === role)
      .map((participant) => median(participant.rates))
    return Math.max(0, ...rates.filter(Number.isFinite))
  }
  const [peer, baseline] = [medianOf('peer'), medianOf('baseline')]
  return participants.map(({ client, failure, rates, cpu, busy, histogram, peak }) => {
    const rate = summarize(rates)
    const { name, role } = client
    return {
      client: name,
      role,
      failure,
      rounds: rates,
      rate,
      toPeer: ratio(rate.median, peer),
      toBaseline: ratio(rate.median, baseline),
      cpu: cpu.length === 0 ? null : median(cpu),
      latency: histogram.totalCount === 0 ? null : latencyOf(histogram),
      peak,
      originBusy: busy.length === 0 ? null : median(busy),
    }
  })
}

/** Measures a curve. Each value comes from a new process: memory depends on what ran before. */
async function measureCurve(runner: Runner, workload: Curve, options: MeasureOptions): Promise<CurveResult> {
  const clients = participantsOf(workload, options)
  const sizes = options.mode === 'quick' && workload.quickSizes.length > 0 ? workload.quickSizes : workload.sizes
  const samples = new Map(clients.map(({ name }) => [name, sizes.map((): number[] => [])]))
  const failed = new Map<string, string>()
  const rounds = options.mode === 'quick' ? 1 : Math.min(options.rounds, 3)
  for (const [index, size] of sizes.entries()) {
    const setup = await runner.setup(workload, workload.probe === 'upstreams' ? size : 1)
    for (let round = 0; round < rounds; round++) {
      for (const { name } of orderOf(clients, round)) {
        if (failed.has(name)) continue
        const child = runner.startClient(['--max-old-space-size=6144'])
        const given = { probe: workload.probe, client: name, setup, folder: runner.packages.folder, size }
        try {
          samples.get(name)?.[index]?.push(await child.channel.call<number>('probe', given))
        } catch (error) {
          failed.set(name, errorText(error))
        }
        await child.close()
      }
    }
  }
  const { name, title, unit, axis } = workload
  const series = clients.map((client) => {
    const values = (samples.get(client.name) ?? []).map((list): Summary | null => {
      return list.length === 0 ? null : summarize(list)
    })
    return { client: client.name, role: client.role, values, failure: failed.get(client.name) ?? null }
  })
  return { kind: 'curve', name, title, unit, axis, sizes, series }
}
