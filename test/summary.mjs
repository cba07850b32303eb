// Runs a command that prints TAP, and prints a summary: one line per file, failures with their diagnosis, skipped tests with
// their reason, and the number of assertions.
import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const RESULT = /^( *)(not ok|ok) \d+(?: - )?(.*)$/
const SUBTEST = /^( *)# Subtest: (.*)$/
const REMARK = /^(.*?)\s*# (SKIP|time=)\s*(.*)$/
const PART = /^(\w+):/
/** Parts of a diagnosis to omit: the stack has the same information. */
const OMITTED = ['at', 'source']

/** Reads TAP line by line, counts assertions, and writes the summary. */
export class Summary {
  passed = 0
  failed = 0
  skipped = 0
  /** Open subtests, outermost first, with the counts at their start. */
  #open = /** @type {{ indent: string, name: string, passed: number, failed: number }[]} */ ([])
  /** Indentation of the current diagnosis, or null. */
  #diagnosis = /** @type {string | null} */ (null)
  /** Whether the diagnosis of the last result is shown, and its current part. */
  #shown = false
  #part = ''
  #ended = false
  #write

  /** @param {(line: string) => void} write */
  constructor(write) {
    this.#write = write
  }

  /** @param {string} line */
  read(line) {
    if (this.#ended) return this.#write(line)
    if (this.#isDiagnosis(line)) return
    const subtest = SUBTEST.exec(line)
    const result = RESULT.exec(line)
    if (subtest !== null) {
      const [, indent, name] = subtest
      this.#open.push({ indent, name, passed: this.passed, failed: this.failed })
    } else if (result !== null) this.#result(result[1], result[2] === 'ok', result[3])
    else if (line.startsWith('# time=')) this.#ended = true
    else if (/^[^\s#]/.test(line) && !/^(TAP version|1\.\.\d)/.test(line)) this.#write(line)
  }

  /** @param {string} line */
  #isDiagnosis(line) {
    if (this.#diagnosis === null) {
      const begin = /^( *)---$/.exec(line)
      if (begin !== null) this.#diagnosis = begin[1]
      return begin !== null
    }
    if (line === `${this.#diagnosis}...`) this.#diagnosis = null
    else if (this.#shown) this.#diagnose(line.slice(this.#diagnosis.length))
    return true
  }

  /** @param {string} line */
  #diagnose(line) {
    const [, part = this.#part] = PART.exec(line) ?? []
    this.#part = part
    if (!OMITTED.includes(part)) this.#write(`      ${line}`)
  }

  /**
   * @param {string} indent
   * @param {boolean} ok
   * @param {string} text
   */
  #result(indent, ok, text) {
    const [, name = text, remark, reason = ''] = REMARK.exec(text) ?? []
    const subtest = this.#open.at(-1)?.indent === indent ? this.#open.pop() : undefined
    const place = [...this.#open.map((open) => open.name), name].join(' > ')
    const skipped = remark === 'SKIP'
    // A subtest counts only if it failed without a failed assertion: it crashed or timed out.
    const counts = !skipped && (subtest === undefined || (!ok && this.failed === subtest.failed))
    this.#shown = counts && !ok
    if (counts && ok) this.passed++
    else if (counts) this.failed++
    if (skipped) this.skipped++
    if (this.#shown) this.#write(`  not ok: ${place}`)
    if (skipped) this.#write(`  skipped: ${place}${reason === '' ? '' : ` (${reason})`}`)
    if (subtest !== undefined && indent === '') this.#file(name, subtest, remark === 'time=' ? reason : '')
  }

  /**
   * @param {string} name
   * @param {{ passed: number, failed: number }} before
   * @param {string} time
   */
  #file(name, before, time) {
    const passed = this.passed - before.passed
    const failed = this.failed - before.failed
    this.#write(`${failed > 0 ? 'not ok' : 'ok'} ${name}: ${passed} passed, ${failed} failed${time && `, ${time}`}`)
  }
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function main(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const summary = new Summary((line) => console.log(line))
  createInterface({ input: child.stdout }).on('line', (line) => summary.read(line))
  child.on('close', (code) => {
    if (summary.skipped > 0) console.log(`${summary.skipped} skipped`)
    console.log(`${summary.passed} passed, ${summary.failed} failed`)
    process.exitCode = code === 0 && summary.failed === 0 && summary.passed > 0 ? 0 : code || 1
  })
}

const [, script, command, ...args] = process.argv
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) main(String(command), args)
