import { invalidArgument } from '../errors.js'
import { readProperty } from './safe-read.js'

/** Options of one object. */
export interface KnownOptions {
  /** Description of the object for messages. */
  readonly bag: string
  /** All options; for warnings those that are worth a suggestion, and those that resemble one of these. */
  readonly names: readonly string[]
  /** Names of options from elsewhere, with what to use instead. Default: {@link MISPLACED}. */
  readonly misplaced?: Record<string, string>
}

const CONNECT = 'connect: { … } of the dispatcher'
const CONNECTIONS = 'connections of a Pool or Agent'

/** Options of other clients and of other objects. */
const MISPLACED: Record<string, string> = {
  timeout: 'timeouts: { total }, or connect: { timeout } of the dispatcher',
  retries: 'interceptors.retry({ maxRetries })',
  json: 'body: JSON.stringify(value)',
  maxSockets: CONNECTIONS,
  maxConnections: CONNECTIONS,
  proxy: 'a ProxyAgent',
  ca: CONNECT,
  rejectUnauthorized: CONNECT,
}

/** Names for which a warning was emitted. */
const warned = new Set<string>()

/**
 * Checks that an object that only sluice has contains no unknown option.
 * @throws {InvalidArgumentError} an own property is no option
 */
export function refuseUnknownOptions({ bag, names: known }: KnownOptions, given: unknown): void {
  for (const name of Object.keys(Object(given))) {
    if (known.includes(name) || readProperty(given, name) === undefined) continue
    const similar = similarTo(name, known)
    throw invalidArgument(`${bag}.${name} is not an option: use ${similar ?? known.join(', ')}`)
  }
}

/**
 * Emits a warning for each own property that looks like a misspelled or misplaced option, once per name. Others are
 * ignored: libraries pass their own.
 */
export function warnUnknownOptions({ bag, names: known, misplaced = MISPLACED }: KnownOptions, given: object): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name) || warned.has(name)) continue
    const instead = Object.hasOwn(misplaced, name) ? misplaced[name] : similarTo(name, known)
    if (instead === undefined || readProperty(given, name) == null) continue
    warned.add(name)
    process.emitWarning(`${name} is not an option of ${bag}: use ${instead}`, { code: 'SLUICE_UNKNOWN_OPTION' })
  }
}

/** Returns the name that differs least from `name`: in case, or in one character; in two if they are long. */
function similarTo(name: string, known: readonly string[]): string | undefined {
  for (let edits = 0; edits < 3; edits++) {
    const shortest = edits < 2 ? 4 : 8
    const similar = known.find(
      (one) => Math.min(one.length, name.length) >= shortest && isWithin(name.toLowerCase(), one.toLowerCase(), edits),
    )
    if (similar !== undefined) return similar
  }
  return undefined
}

/** Whether `edits` insertions, deletions, replacements or swaps of neighbours make `one` the `other`. */
function isWithin(one: string, other: string, edits: number): boolean {
  if (one === other) return true
  if (edits === 0) return false
  let at = 0
  while (one[at] === other[at]) at++
  const [a, b] = [one.slice(at), other.slice(at)]
  const left = edits - 1
  return (
    isWithin(a.slice(1), b.slice(1), left) ||
    isWithin(a.slice(1), b, left) ||
    isWithin(a, b.slice(1), left) ||
    (a[0] === b[1] && a[1] === b[0] && isWithin(a.slice(2), b.slice(2), left))
  )
}
