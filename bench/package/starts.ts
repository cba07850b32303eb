import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { plainEnvironment, withoutOptions } from '../harness/processes.js'
import { median, orderOf } from '../harness/statistics.js'

/** A library to import in a new process; `module` null imports nothing. */
export interface Library {
  readonly name: string
  readonly module: string | null
}

/** Measurements of one process, in ms and bytes. */
export interface Start {
  /** From the first line of the program until the library was imported. */
  readonly imported: number
  /** CPU time of the import: other processes change it less than the elapsed time. */
  readonly cpuTime: number
  /** From the first line of the program until the headers of the first response. */
  readonly firstByte: number
  /** From the start of the process until the headers of the first response. */
  readonly sinceProcessStart: number
  readonly rssAfterImport: number
  readonly rssAfterRequest: number
  /** Heap and external memory after the import. RSS also counts mapped pages of the Node executable, a number that varies. */
  readonly heapAfterImport: number
}

const PROGRAM = `
const start = performance.now()
const before = process.cpuUsage()
const [, , module, url, ca] = process.argv
let client = null
const library = module === '' ? null : await import(module)
const imported = performance.now() - start
const { user, system } = process.cpuUsage(before)
const cpuTime = (user + system) / 1000
const { rss: rssAfterImport, heapUsed, external } = process.memoryUsage()
const heapAfterImport = heapUsed + external
let sinceProcessStart = 0
if (library !== null && url !== '') {
  client = new library.Client(url, ca === '' ? {} : { connect: { ca } })
  const { statusCode, body } = await client.request({ path: '/', method: 'GET' })
  sinceProcessStart = performance.now()
  if (statusCode !== 200 || await body.text() !== 'ok') throw new Error('unexpected response')
}
const rssAfterRequest = process.memoryUsage.rss()
await client?.close()
const firstByte = sinceProcessStart - start
console.log(JSON.stringify({ imported, cpuTime, firstByte, sinceProcessStart, rssAfterImport, rssAfterRequest, heapAfterImport }))
`

function startOnce(
  { node, file }: { node: string; file: string },
  part: { module: string | null; url: string; ca: string },
): Start {
  const [command = node, ...args] = withoutOptions([node, file, part.module ?? '', part.url, part.ca])
  return JSON.parse(execFileSync(command, args, { encoding: 'utf8', env: plainEnvironment() })) as Start
}

/** Starts each library `rounds` times, in alternating order, and returns the medians. */
export function starts(
  libraries: readonly Library[],
  part: { node: string; rounds: number; url?: string; ca?: string },
): Start[] {
  const { node, rounds, url = '', ca = '' } = part
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  // A file, because `--eval` would add the time of loading the module loader.
  const program = { node, file: join(folder, 'main.mjs') }
  writeFileSync(program.file, PROGRAM)
  const results = new Map<Library, Start[]>(libraries.map((one) => [one, []]))
  // Round -1 fills the file cache and is not counted.
  for (let round = -1; round < rounds; round++) {
    for (const one of orderOf(libraries, round + 1)) {
      const start = startOnce(program, { module: one.module, url, ca })
      if (round >= 0) results.get(one)?.push(start)
    }
  }
  rmSync(folder, { recursive: true })
  return libraries.map((one) => {
    const all = results.get(one) ?? []
    const of = (key: keyof Start) => median(all.map((start) => start[key]))
    return {
      imported: of('imported'),
      cpuTime: of('cpuTime'),
      firstByte: of('firstByte'),
      sinceProcessStart: of('sinceProcessStart'),
      rssAfterImport: of('rssAfterImport'),
      rssAfterRequest: of('rssAfterRequest'),
      heapAfterImport: of('heapAfterImport'),
    }
  })
}

/** Returns the libraries to measure. undici 8 requires Node 22. */
export function librariesFor(node: { major: number; packages: string; root: string }): Library[] {
  const undiciFolder = node.major >= 22 ? join(node.root, 'node_modules') : node.packages
  return [
    { name: 'nothing', module: null },
    { name: 'sluice', module: join(node.root, 'dist/package/sluice.js') },
    { name: node.major >= 22 ? 'undici 8' : 'undici 7', module: join(undiciFolder, 'undici/index.js') },
  ]
}
