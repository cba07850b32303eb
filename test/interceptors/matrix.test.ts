import t from 'tap'
import type { Dispatcher } from '../../lib/index.js'
import { dispatchers, forms, makers, type Situation, situations } from './matrix/cases.js'
import { type MatrixOrigin, matrixOrigin } from './matrix/origin.js'
import { Witness } from './matrix/witness.js'

type Generation = 'modern' | 'legacy' | 'promise'

interface Case {
  /** Interceptors, the innermost first. */
  readonly chain: readonly string[]
  readonly name: string
  readonly situation: Situation
  readonly form: string
  readonly generation: Generation
}

let cases = 0

/** Sends a request through a chain and records the result. */
class Runner {
  readonly #dispatcher: Dispatcher
  readonly #origin: MatrixOrigin
  readonly #known = new Map<string, Promise<string[]>>()

  constructor(dispatcher: Dispatcher, origin: MatrixOrigin) {
    this.#dispatcher = dispatcher
    this.#origin = origin
  }

  /** What the caller gets and what the origin receives. */
  async run({ chain, situation, form, generation }: Case): Promise<string[]> {
    const id = String(++cases)
    const witness = new Witness(situation.conduct ?? {})
    const url = this.#origin.url.replace('127.0.0.1', 'localhost')
    const own = { headers: forms[form]?.(), ...situation.options?.() }
    const options = { origin: url, path: `/${situation.path}/${id}`, method: 'GET', ...own } as never
    const interceptors = chain.map((name) => makers[name]?.() as never)
    const composed = chain.length === 0 ? this.#dispatcher : this.#dispatcher.compose(interceptors)
    if (generation === 'promise') void witness.promise(composed, options)
    else composed.dispatch(options, witness[generation])
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => resolve(void witness.events.push('does not end')), 5000)
    })
    await Promise.race([witness.ended, late])
    clearTimeout(timer)
    // Callbacks after the end would be recorded.
    await new Promise(setImmediate)
    return [...witness.events, ...(this.#origin.received.get(id) ?? [])]
  }

  /** The same without interceptors. */
  plain(one: Case): Promise<string[]> {
    const key = [one.name, one.form, one.generation].join()
    const found = this.#known.get(key)
    if (found !== undefined) return found
    const run = this.run({ ...one, chain: [] })
    this.#known.set(key, run)
    return run
  }

  /** Result that is expected of the chain. */
  async expected(one: Case): Promise<string[]> {
    const { chain, situation } = one
    const plain = await this.plain(one)
    const first = chain.find((name) => name === 'retry' || name === 'responseError')
    const again = situation.path === 'busy' && first === 'retry'
    let events = plain
    if (again || (situation.path === 'moved' && chain.includes('redirect'))) {
      const last = await this.plain({ ...one, name: 'a length', situation: { path: 'length' } })
      events = joined(plain, last, again)
    }
    if (chain.includes('decompress') && situation.path === 'gzip') events = events.map(decoded)
    if (chain.includes('responseError')) events = thrown(events, situation.path)
    return chain.includes('dump') ? events.filter((event) => !event.startsWith('data ')) : events
  }
}

const isHead = (event: string) => event.startsWith('head ')
const isWire = (event: string) => /^[A-Z]+ \//.test(event)

/** Request that is retried or redirected: its handler receives one response. */
function joined(first: readonly string[], last: readonly string[], again: boolean): string[] {
  const wire = first.filter(isWire)
  const before = first.slice(0, first.findIndex(isHead))
  return [...before, ...last.filter((event) => !isWire(event)), ...wire, ...(again ? wire : last.filter(isWire))]
}

function decoded(event: string): string {
  if (event.startsWith('data ')) return 'data 7 decoded'
  if (isWire(event)) return event
  return event.replace(/"content-(encoding|length)":"\w+",?/g, '').replace(/Content-(Encoding|Length)\|\w+\|/g, '')
}

function thrown(events: string[], path: string): string[] {
  const head = events.findIndex((event) => /^head [45]/.test(event))
  if (head < 0) return events
  const end = events.findIndex((event) => event.startsWith('end '))
  const status = /^head (\d+ (?:Busy|Not Found))/.exec(events[head] as string)?.[1]
  const message = `GET http://origin/${path}/# failed: ${status}`
  return events.toSpliced(head, end - head + 1, `error ResponseError UND_ERR_RESPONSE ${message} body /${path}/#`)
}

t.setTimeout(180_000)

const names = Object.keys(makers)
const chains = names.flatMap((one) => [[one], ...names.map((other) => [one, other])])
const formNames = Object.keys(forms)

/** All chains in all situations; forms of headers and kinds of handlers alternate, so that all combinations occur. */
function* generate(offset: number): Generator<{ title: string; one: Case }> {
  for (const [index, [name, situation]] of Object.entries(situations).entries()) {
    const { abortsIn, throwsIn } = situation.conduct ?? {}
    const generations: Generation[] = ['modern', 'legacy', ...(situation.conduct ? [] : (['promise'] as const))]
    for (const [place, chain] of chains.entries()) {
      if (chain.includes('dump') && [abortsIn, throwsIn].includes('data')) continue
      const turn = index + place
      const form = formNames[turn % formNames.length] as string
      const generation = generations[(Math.floor(turn / formNames.length) + offset) % generations.length] as Generation
      const title = `${name}, ${chain.join(' beneath ')}, headers: ${form}, handler: ${generation}`
      yield { title, one: { chain, name, situation, form, generation } }
    }
  }
}

for (const [offset, [kind, make]] of Object.entries(dispatchers).entries()) {
  t.test(`${kind}: chains of one and two interceptors behave like the dispatcher alone`, async (t) => {
    const origin = await matrixOrigin()
    const dispatcher = make(origin.url.replace('127.0.0.1', 'localhost'))
    const runner = new Runner(dispatcher, origin)
    const before = cases
    const differences: unknown[] = []
    for (const { title, one } of generate(offset)) {
      const found = await runner.run(one)
      const wanted = await runner.expected(one)
      if (found.join('\n') !== wanted.join('\n')) differences.push({ title, found, wanted })
    }
    t.comment(`${cases - before} requests`)
    t.strictSame(differences.slice(0, 5), [], `${differences.length} differ`)
    await dispatcher.close()
    await origin.close()
  })
}
