import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { plainEnvironment, withoutOptions } from '../harness/processes.js'
import { median, orderOf } from '../harness/statistics.js'

/** A library in a fresh process; null imports nothing. */
export interface Contender {
  readonly name: string
  readonly module: string | null
}

/** Of a process's life, in ms and bytes. */
export interface Start {
  /** From the first line of the program until the library was there. */
  readonly imported: number
  /** Of that, what processors worked: another program that runs meanwhile changes it less. */
  readonly worked: number
  /** From the first line of the program until the head of the first response came. */
  readonly answered: number
  /** The same, from when the process was made. */
  readonly since: number
  readonly rssImported: number
  readonly rssAnswered: number
  /** What V8 and its buffers hold. Resident memory is the system's also: it maps more or less of Node's own file. */
  readonly heldImported: number
}

const PROGRAM = `
const begun = performance.now()
const before = process.cpuUsage()
const [, , module, url, ca] = process.argv
let client = null
const library = module === '' ? null : await import(module)
const imported = performance.now() - begun
const { user, system } = process.cpuUsage(before)
const worked = (user + system) / 1000
const { rss: rssImported, heapUsed, external } = process.memoryUsage()
const heldImported = heapUsed + external
let since = 0
if (library !== null && url !== '') {
  client = new library.Client(url, ca === '' ? {} : { connect: { ca } })
  const { statusCode, body } = await client.request({ path: '/', method: 'GET' })
  since = performance.now()
  if (statusCode !== 200 || await body.text() !== 'ok') throw new Error('another answer')
}
const rssAnswered = process.memoryUsage.rss()
await client?.close()
const answered = since - begun
console.log(JSON.stringify({ imported, worked, answered, since, rssImported, rssAnswered, heldImported }))
`

function startOnce(
  { node, file }: { node: string; file: string },
  part: { module: string | null; url: string; ca: string },
): Start {
  const [command = node, ...args] = withoutOptions([node, file, part.module ?? '', part.url, part.ca])
  return JSON.parse(execFileSync(command, args, { encoding: 'utf8', env: plainEnvironment() })) as Start
}

/** Starts each in turn, there and back, and takes the medians. The origin is in a process of its own. */
export function starts(
  contenders: readonly Contender[],
  part: { node: string; rounds: number; url?: string; ca?: string },
): Start[] {
  const { node, rounds, url = '', ca = '' } = part
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  // A file, as programs are: what comes by `--eval` pays for the loader of modules besides.
  const program = { node, file: join(folder, 'main.mjs') }
  writeFileSync(program.file, PROGRAM)
  const found = new Map<Contender, Start[]>(contenders.map((one) => [one, []]))
  // The first round finds the files on the disk.
  for (let round = -1; round < rounds; round++) {
    for (const one of orderOf(contenders, round + 1)) {
      const start = startOnce(program, { module: one.module, url, ca })
      if (round >= 0) found.get(one)?.push(start)
    }
  }
  rmSync(folder, { recursive: true })
  return contenders.map((one) => {
    const all = found.get(one) ?? []
    const of = (key: keyof Start) => median(all.map((start) => start[key]))
    return {
      imported: of('imported'),
      worked: of('worked'),
      answered: of('answered'),
      since: of('since'),
      rssImported: of('rssImported'),
      rssAnswered: of('rssAnswered'),
      heldImported: of('heldImported'),
    }
  })
}

/** undici 8 needs Node 22. */
export function contendersFor(node: { major: number; packages: string; root: string }): Contender[] {
  const theirs = node.major >= 22 ? join(node.root, 'node_modules') : node.packages
  return [
    { name: 'nothing', module: null },
    { name: 'sluice', module: join(node.root, 'dist/package/sluice.js') },
    { name: node.major >= 22 ? 'undici 8' : 'undici 7', module: join(theirs, 'undici/index.js') },
  ]
}
