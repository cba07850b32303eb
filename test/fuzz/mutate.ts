import type { Random } from './random.js'
import { TOKENS } from './response-grammar.js'

/** Maximum input length. Longer inputs take more time and find nothing new. */
const MAX_BYTES = 4096

/** Mutates a text. Parts may be inserted from `other`. */
export function mutate(random: Random, text: string, other: string): string {
  const at = random.below(text.length + 1)
  const length = 1 + random.below(random.once(4) ? 64 : 6)
  const before = text.slice(0, at)
  switch (random.below(10)) {
    case 0:
      return before + random.byte() + text.slice(at + 1)
    case 1:
      return before + random.pick(TOKENS) + text.slice(at)
    case 2: {
      const token = random.pick(TOKENS)
      return before + token + text.slice(at + token.length)
    }
    case 3:
      return before + text.slice(at + length)
    case 4:
      return before + text.slice(at, at + 4 * length) + text.slice(at)
    case 5:
      return before + other.slice(random.below(other.length))
    case 6: {
      const from = random.below(other.length)
      return before + other.slice(from, from + 4 * length) + text.slice(at)
    }
    case 7:
      return text + other
    case 8:
      return before
    default:
      return flipped(random, text)
  }
}

/** Inverts one bit of a byte, or replaces a digit. */
function flipped(random: Random, text: string): string {
  if (text === '') return text
  const at = random.below(text.length)
  const byte = text.charCodeAt(at)
  const digit = byte >= 48 && byte <= 57
  const next = digit ? String(random.below(10)) : String.fromCharCode(byte ^ (1 << random.below(8)))
  return text.slice(0, at) + next + text.slice(at + 1)
}

/** Applies one to four mutations. */
export function mutated(random: Random, text: string, other: () => string): string {
  let result = text
  for (let i = 1 + random.below(4); i > 0; i--) result = mutate(random, result, other())
  return result.length > MAX_BYTES && !random.once(64) ? result.slice(0, MAX_BYTES) : result
}

/** Repeats one byte many times, to reach limits. */
export function flooded(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  const flood = random
    .pick(['x', ' ', '\t', '0', ',', ';', 'a:b\r\n', '\r\n', ';a=b'])
    .repeat(random.pick([50, 500, 17_000]))
  return text.slice(0, at) + flood + text.slice(at)
}
