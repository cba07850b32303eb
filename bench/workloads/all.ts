import type { Api } from '../harness/client-session.js'
import type { ScenarioName } from '../origin/scenarios.js'
import type { Curve, FixedRate, ParticipantSet, Throughput, Workload } from './workload.js'

type Extra = Partial<Omit<Throughput, 'kind' | 'title' | 'name'>> & { label?: string }

const apiNames: Record<Api, string> = {
  dispatch: 'dispatch',
  json: 'request + json',
  text: 'request + text',
  bytes: 'request + bytes',
  chunks: 'request, chunk by chunk',
  stream: 'stream',
}

function throughput(api: Api, size: [connections: number, pipelining: number], extra: Extra = {}): Throughput {
  const [connections, pipelining] = size
  const { label, quick = null, scenario = 'small', secure = false } = extra
  const name = [api, label, `${connections}x${pipelining}`].filter((part) => part !== undefined).join(' ')
  const counted = `${connections} connection${connections === 1 ? '' : 's'}, pipelining ${pipelining}`
  const title = [apiNames[api], label, counted].filter((part) => part !== undefined).join(', ')
  return { kind: 'throughput', name, title, quick, scenario, api, connections, pipelining, secure }
}

const grid: [number, number][] = [
  [1, 1],
  [1, 10],
  [50, 1],
  [50, 10],
  [500, 1],
  [500, 10],
]

const quickGrid: Record<string, ParticipantSet> = {
  'dispatch 1x1': 'main',
  'dispatch 50x1': 'main',
  'dispatch 50x10': 'main',
  'json 50x1': 'all',
  'json 50x10': 'main',
}

function onGrid(api: Api): Throughput[] {
  return grid.map((size) => throughput(api, size, { quick: quickGrid[`${api} ${size.join('x')}`] ?? null }))
}

const one: [number, number] = [1, 1]
const fifty: [number, number] = [50, 1]

function special(scenario: ScenarioName, label: string, rest: Extra = {}): Extra {
  return { scenario, label, ...rest }
}

const throughputs: Throughput[] = [
  ...onGrid('dispatch'),
  ...onGrid('json'),
  throughput('text', fifty),
  throughput('text', [50, 10]),
  throughput('stream', fifty),
  throughput('stream', [50, 10]),
  throughput('dispatch', fifty, special('post', 'POST 1 KB')),
  throughput('json', fifty, special('post', 'POST 1 KB')),
  throughput('dispatch', fifty, special('small', 'TLS', { secure: true })),
  throughput('json', fifty, special('small', 'TLS', { secure: true, quick: 'main' })),
  throughput('dispatch', one, special('download', 'download of 10 MB', { quick: 'main and node:http' })),
  throughput('chunks', one, special('download', 'download of 10 MB', { quick: 'main and node:http' })),
  throughput('bytes', one, special('download', 'download of 10 MB')),
  throughput('dispatch', one, special('upload', 'upload of 10 MB', { quick: 'main and node:http' })),
  throughput('json', one, special('upload', 'upload of 10 MB')),
  throughput('dispatch', fifty, special('chunked', '100 small chunks')),
  throughput('text', fifty, special('chunked', '100 small chunks')),
  throughput('dispatch', fifty, special('fields', '40 header fields')),
  throughput('json', fifty, special('fields', '40 header fields')),
  throughput('json', [10, 1], special('closing', 'one connection per request')),
]

const fixedRate: FixedRate = {
  ...throughput('json', fifty),
  kind: 'rate',
  name: 'rate',
  title: "latency at half of undici's maximum, request + json, 50 connections",
  quick: 'main',
}

function curve(given: Pick<Curve, 'name' | 'title' | 'probe' | 'sizes' | 'unit' | 'axis'> & Partial<Curve>): Curve {
  const setup = throughput('dispatch', one)
  return { ...setup, quick: null, quickSizes: [], benchClients: ['sluice', 'undici'], ...given, kind: 'curve' }
}

const decades = (last: number): number[] => Array.from({ length: last + 1 }, (_, index) => 10 ** index)

const curves: Curve[] = [
  curve({
    name: 'connections',
    title: 'one dispatch, by number of open connections',
    probe: 'connections',
    sizes: decades(4),
    unit: 'ns',
    axis: 'connections',
    quick: 'main',
    quickSizes: [10, 1000],
    benchClients: ['sluice', 'undici', 'node:http', 'baseline'],
  }),
  curve({
    name: 'connections-cpu',
    title: 'CPU time of one request, by number of open connections',
    probe: 'connections-cpu',
    sizes: decades(4),
    unit: 'µs',
    axis: 'connections',
    benchClients: ['sluice', 'undici', 'node:http', 'baseline'],
  }),
  curve({
    name: 'queued',
    title: 'one dispatch, by number of queued requests',
    probe: 'queued',
    sizes: decades(6),
    unit: 'ns',
    axis: 'queued requests',
  }),
  curve({
    name: 'drained',
    title: 'CPU time of one queued request, by length of the queue',
    probe: 'drained',
    sizes: decades(6),
    unit: 'µs',
    axis: 'queued requests',
  }),
  curve({
    name: 'idle',
    title: 'resident memory of one idle connection',
    probe: 'idle',
    sizes: [2000, 5000, 9000],
    unit: 'bytes',
    axis: 'connections',
    quick: 'main',
    quickSizes: [3000],
    benchClients: ['sluice', 'undici', 'baseline'],
  }),
  curve({
    name: 'upstreams',
    title: 'one dispatch of a BalancedPool, by number of upstreams',
    probe: 'upstreams',
    sizes: decades(3),
    unit: 'ns',
    axis: 'upstreams',
  }),
  curve({
    name: 'upstreams-cpu',
    title: 'CPU time of one request of a BalancedPool, by number of upstreams',
    probe: 'upstreams-cpu',
    sizes: decades(3),
    unit: 'µs',
    axis: 'upstreams',
  }),
]

export const workloads: readonly Workload[] = [...throughputs, fixedRate, ...curves]
