import type { ChildProcess } from 'node:child_process'

/** A question to a child process, and its answer. */
interface Question {
  id: number
  name: string
  given: unknown
}

type Answer = { id: number; value: unknown } | { id: number; error: string }

/** Answers questions of the parent process, one function for each kind, until the parent is gone. */
// biome-ignore lint/suspicious/noExplicitAny: each function knows what it is given
export function answer(functions: Record<string, (given: any) => unknown>): void {
  process.on('message', async ({ id, name, given }: Question) => {
    try {
      const ask = functions[name]
      if (ask === undefined) throw new Error(`${name}: no such question`)
      const value = await ask(given)
      process.send?.({ id, value } satisfies Answer)
    } catch (error) {
      process.send?.({ id, error: told(error) } satisfies Answer)
    }
  })
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

/** The message of an error, and of what caused it. */
export function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${told(error.cause)}` : error.message
}

/** The parent's end. */
export class Channel {
  readonly #child: ChildProcess
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #last = 0
  #ended: Error | null = null
  readonly #ready: Promise<void>

  constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#ready = new Promise((resolve, reject) => {
      child.on('message', (message: Answer | 'ready') => {
        if (message === 'ready') resolve()
        else this.#take(message)
      })
      const end = (error: Error) => {
        this.#ended = error
        reject(error)
        for (const { reject } of this.#open.values()) reject(error)
        this.#open.clear()
      }
      child.on('error', (error) => end(error))
      child.on('exit', (code, signal) => end(new Error(`${name} ended with ${code ?? signal}`)))
    })
    // Whoever asks is told; nobody may be asking.
    this.#ready.catch(() => {})
  }

  /** @throws {Error} what the child threw, or that it is gone */
  async ask<T>(name: string, given: unknown = {}): Promise<T> {
    await this.#ready
    if (this.#ended !== null) throw this.#ended
    const id = ++this.#last
    return new Promise<T>((resolve, reject) => {
      this.#open.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#child.send({ id, name, given } satisfies Question)
    })
  }

  /** Ends the child. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.connected) this.#child.disconnect()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    await gone
    clearTimeout(late)
  }

  #take(message: Answer): void {
    const asked = this.#open.get(message.id)
    this.#open.delete(message.id)
    if ('error' in message) asked?.reject(new Error(message.error))
    else asked?.resolve(message.value)
  }
}
