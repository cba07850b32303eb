import type { ChildProcess } from 'node:child_process'

/** A function call sent to a child process. */
interface Call {
  id: number
  name: string
  argument: unknown
}

type Reply = { id: number; value: unknown } | { id: number; error: string }

/** Serves function calls of the parent process. Exits when the parent disconnects. */
export function serve(functions: Record<string, (argument: never) => unknown>): void {
  process.on('message', async ({ id, name, argument }: Call) => {
    try {
      const run = functions[name]
      if (run === undefined) throw new Error(`no function named ${name}`)
      const value = await run(argument as never)
      process.send?.({ id, value } satisfies Reply)
    } catch (error) {
      process.send?.({ id, error: errorText(error) } satisfies Reply)
    }
  })
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

/** Returns the message of an error and of its causes. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${errorText(error.cause)}` : error.message
}

/** Calls functions of a child process. */
export class Channel {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #last = 0
  #exit: Error | null = null
  readonly #ready: Promise<void>

  constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#ready = new Promise((resolve, reject) => {
      child.on('message', (message: Reply | 'ready') => {
        if (message === 'ready') resolve()
        else this.#settle(message)
      })
      const fail = (error: Error) => {
        this.#exit = error
        reject(error)
        for (const { reject } of this.#pending.values()) reject(error)
        this.#pending.clear()
      }
      child.on('error', fail)
      child.on('exit', (code, signal) => fail(new Error(`${name} exited with ${code ?? signal}`)))
    })
    // call() awaits #ready. Without a call the rejection must not be unhandled.
    this.#ready.catch(() => {})
  }

  /**
   * Calls a function of the child process.
   * @throws {Error} With the message that the child threw, or if the child has exited.
   */
  async call<T>(name: string, argument: unknown = {}): Promise<T> {
    await this.#ready
    if (this.#exit !== null) throw this.#exit
    const id = ++this.#last
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#child.send({ id, name, argument } satisfies Call)
    })
  }

  /** Disconnects from the child, and kills it when it has not exited after 2 s. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.connected) this.#child.disconnect()
    const killTimer = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    await exited
    clearTimeout(killTimer)
  }

  #settle(message: Reply): void {
    const call = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if ('error' in message) call?.reject(new Error(message.error))
    else call?.resolve(message.value)
  }
}
