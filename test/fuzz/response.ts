import { ScriptEngine } from '../../lib/wire/script-engine.js'
import { type WasmEngine, wasmEngine } from '../../lib/wire/wasm-engine.js'
import { rejectedByRule } from '../wire/rejected-cases.js'
import { type ResponseCase, responseCases } from '../wire/response-cases.js'
import { examples } from '../wire/rfc9112-cases.js'
import { must } from './finding.js'
import { Guidance } from './guidance.js'
import { flooded, mutated } from './mutate.js'
import { type Outcome, observe, type Plan } from './observe.js'
import { tryPositions } from './positions.js'
import type { Random } from './random.js'
import { response } from './response-grammar.js'
import { type ResponseInput, WIDE } from './response-input.js'

const MAX_CORPUS = 20_000
const wasm = wasmEngine() as WasmEngine
const js = new ScriptEngine()
const inputs = [wasm.input.length, js.input.length]

/** Header section by RFC 9112 §4 and §5. The space before an empty reason phrase is optional. */
const HEAD =
  /^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/
const OVERFLOW = /OVERFLOW/

/** Codes that depend on the split if an input violates both a limit and the grammar. */
function sameRefusal(a: string, b: string): boolean {
  return a === b || (a !== '' && b !== '' && (OVERFLOW.test(a) || OVERFLOW.test(b)))
}

/** Returns why two outcomes of one input contradict each other, or null. */
function difference(whole: Outcome, cut: Outcome): string | null {
  if (!sameRefusal(whole.code, cut.code)) return `${whole.code || 'accepted'}, ${cut.code || 'accepted'}`
  if (whole.messages.join('\n\n') !== cut.messages.join('\n\n')) return 'messages'
  if (whole.open !== cut.open) return 'head'
  const [less, more] = whole.partial.length < cut.partial.length ? [whole, cut] : [cut, whole]
  if (!more.partial.startsWith(less.partial)) return 'body'
  // How much of a body is delivered before an error depends on the split; of an incomplete valid body, all received bytes are.
  if (whole.code === '' && less.partial !== more.partial) return 'length of the body'
  return null
}

function show(outcome: Outcome): string {
  return JSON.stringify(outcome).slice(0, 2_000)
}

/**
 * Reads an input at once and in parts by both parsers. Returns the kind of outcome.
 * @throws {Finding} If outcomes differ, or one violates an invariant.
 */
export function tryResponse(input: ResponseInput, plan: Plan): string {
  const whole = observe(js, input, 0)
  const other = observe(wasm, input, 0)
  must(JSON.stringify(whole) === JSON.stringify(other), () => `at once: js ${show(whole)}, wasm ${show(other)}`)
  if (whole.messages.length > 0 || whole.open !== null) {
    // RFC 9112 §2.2: empty lines before a message are skipped.
    const raw = input.raw.replace(/^(\r\n)+/, '')
    const head = raw.slice(0, raw.indexOf('\r\n\r\n') + 2)
    must(HEAD.test(head), () => `RFC 9112 does not have ${JSON.stringify(head)}`)
  }
  const cut = observe(js, input, plan)
  const otherCut = observe(wasm, input, plan)
  must(JSON.stringify(cut) === JSON.stringify(otherCut), () => `plan ${plan}: js ${show(cut)}, wasm ${show(otherCut)}`)
  const why = cut.left ? null : difference(whole, cut)
  must(why === null, () => `plan ${plan}: ${why}: at once ${show(whole)}, split ${show(cut)}`)
  if (plan % 8 === 1) tryPositions(input.raw, [js, wasm], WIDE.maxHeaderCount)
  if (plan % 8 === 2) tryPositions(input.raw, [js, wasm], input.limits.maxHeaderCount)
  checkLeaks()
  const { messages, open, partial, code } = whole
  const kinds = messages.map((text) => text.slice(0, text.startsWith('tunnel') ? 8 : 3)).join()
  return `${code} ${kinds.slice(0, 40)} ${open?.slice(0, 1)} ${Math.min(3, partial.length)}`
}

function checkLeaks(): void {
  must(wasm.used === 0, () => `${wasm.used} parser slots are still in use`)
  const handle = js.allocate()
  js.release(handle)
  must(handle === 1, () => `parser handle ${handle}, expected 1`)
  must(wasm.input.length === inputs[0] && js.input.length === inputs[1], 'the input buffer must be attached')
  must(!wasm.busy && !js.busy, 'the input buffer must be free')
}

const REQUESTS: readonly ResponseInput['requests'][number][] = [
  { method: 'GET' },
  { method: 'GET' },
  { method: 'GET' },
  { method: 'HEAD' },
  { method: 'CONNECT' },
  { method: 'GET', upgrade: 'x' },
]

/** Inputs with new coverage, and mutations of them. */
export class ResponseInputs {
  readonly #random: Random
  readonly #corpus: ResponseInput[] = []
  readonly guidance = new Guidance()

  constructor(random: Random) {
    this.#random = random
    const cases = [...examples, ...Object.values(rejectedByRule).flat(), ...(responseCases() ?? [])]
    for (const given of cases) if (given.raw.length <= 2_000) this.#corpus.push(inputOf(given))
  }

  get size(): number {
    return this.#corpus.length
  }

  next(): ResponseInput {
    const random = this.#random
    const other = () => (random.once(3) ? response(random) : random.pick(this.#corpus).raw)
    if (random.once(4)) {
      let raw = ''
      for (let i = random.below(4); i >= 0; i--) raw += response(random)
      return { raw, ...this.#around(null) }
    }
    // Half of them from the newest inputs.
    const from = random.once(2) ? this.#corpus : this.#corpus.slice(-200)
    const parent = random.pick(from)
    const raw = random.once(400) ? flooded(random, parent.raw) : mutated(random, parent.raw, other)
    return { raw, ...this.#around(random.once(4) ? null : parent) }
  }

  keep(input: ResponseInput): void {
    if (this.#corpus.length < MAX_CORPUS) this.#corpus.push(input)
    else this.#corpus[this.#random.below(MAX_CORPUS)] = input
  }

  #around(parent: ResponseInput | null): Omit<ResponseInput, 'raw'> {
    const random = this.#random
    if (parent !== null) return { requests: parent.requests, eof: parent.eof, limits: parent.limits }
    const small = (usual: number) => (random.once(2) ? random.below(120) : usual)
    const { maxHeaderBytes, maxHeaderCount, maxChunkOverhead } = WIDE
    const narrow = () => ({
      maxHeaderBytes: small(maxHeaderBytes),
      maxHeaderCount: small(maxHeaderCount),
      maxChunkOverhead: small(maxChunkOverhead),
    })
    return {
      requests: Array.from({ length: 1 + random.below(4) }, () => random.pick(REQUESTS)),
      eof: random.once(2),
      limits: random.once(4) ? narrow() : WIDE,
    }
  }
}

function inputOf({ raw, requests, eof, limits }: ResponseCase): ResponseInput {
  return { raw, requests, eof, limits: limits ?? WIDE }
}
