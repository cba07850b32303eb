import type { WriteStream } from 'node:tty'
import { type Histogram, record } from '../harness/histogram.js'
import { number } from '../report/text.js'
import type { Target } from './target.js'

/** Interval of updates in ms. */
const INTERVAL = 1000

/** Shows one line on a terminal, rewritten each second. Prints nothing elsewhere. */
export class Progress {
  readonly #terminal: WriteStream | null
  readonly #recent: Histogram
  #target: Target | null = null
  #timer: NodeJS.Timeout | null = null
  #started = 0
  #before = 0

  constructor(terminal: WriteStream, recent: Histogram) {
    this.#terminal = terminal.isTTY ? terminal : null
    this.#recent = recent
  }

  start(target: Target): void {
    if (this.#terminal === null) return
    this.#target = target
    this.#started = performance.now()
    this.#timer = setInterval(() => this.#show(), INTERVAL)
  }

  record(latency: number): void {
    if (this.#terminal !== null) record(this.#recent, latency)
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#terminal?.write('\r\x1b[K')
  }

  #show(): void {
    const { sent = 0, answered = 0, failed = 0 } = this.#target ?? {}
    const seconds = Math.round((performance.now() - this.#started) / 1000)
    const rate = ((answered - this.#before) * 1000) / INTERVAL
    this.#before = answered
    const at = (percentile: number) => number(this.#recent.getValueAtPercentile(percentile) / 1000)
    const latency = this.#recent.totalCount === 0 ? 'warming up' : `p50 ${at(50)} µs, p99 ${at(99)} µs`
    this.#recent.reset()
    const line = `${seconds} s  ${number(rate)}/s  ${sent - answered - failed} in flight  ${failed} failed  ${latency}`
    this.#terminal?.write(`\r\x1b[K${line}`)
  }
}
