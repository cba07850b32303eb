import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import net from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { handles } from '../../bench/harness/process-resources.js'
import type { Order } from './far.js'
import type { Plan } from './network.js'
import type { Spoiling } from './relay.js'

/** The network that this process is in. */
export const plan = JSON.parse(process.env.SLUICE_NETWORK ?? '{}') as Plan

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

export const ipFar = (...args: string[]): string => run('ip', '-n', plan.far, ...args)
export const onNear = run
export const onFar = (...args: string[]): string => run('ip', 'netns', 'exec', plan.far, ...args)

/** A setting of the kernel for one side. */
export function setting(side: 'near' | 'far', name: string, value: string | number): void {
  const on = side === 'near' ? onNear : onFar
  on('sh', '-c', `echo '${value}' > /proc/sys/net/${name}`)
}

/** Packets to the client vanish on the far side: connections neither come about nor end. */
export function blackHole(on: boolean, address = '10.77.1.1/32'): void {
  ipFar(...(address.includes(':') ? ['-6'] : []), 'route', on ? 'add' : 'delete', 'blackhole', address)
}

/** Takes the smooth link down, or up again with all that was on it. */
export function link(state: 'up' | 'down'): void {
  ipFar('link', 'set', 'smooth', state)
}

/** Spoils the packets of the rough link, both ways. Returns how many were since the last change, where that is known. */
export async function spoil(spoiling: Spoiling): Promise<number> {
  if (plan.roughness === 'netem') {
    for (const name of [plan.near, plan.far]) run('tc', '-n', name, ...netem(spoiling))
    return Number.NaN
  }
  const socket = net.connect(join(plan.folder, 'relay.sock'))
  const spoilt = await new Promise((resolve, reject) => {
    socket.once('error', reject).once('data', resolve)
    socket.write(JSON.stringify(spoiling))
  })
  socket.destroy()
  return Number(spoilt)
}

/** Whether tc(8) understands it, on kernels that do not. */
export function isNetem(spoiling: Spoiling): boolean {
  try {
    run('tc', '-n', plan.near, ...netem(spoiling))
    return true
  } catch (error) {
    return /qdisc kind is unknown/.test(String((error as { stderr?: string }).stderr))
  }
}

/** The same in the words of tc(8). */
function netem(spoiling: Spoiling): string[] {
  const { loss = 0, delay = 0, jitter = 0, reorder = 0, duplicate = 0, corrupt = 0, rate = 0 } = spoiling
  const percent = (share: number) => `${share * 100}%`
  return [
    ...['qdisc', 'replace', 'dev', 'rough', 'root', 'netem', 'limit', '1000'],
    ...['delay', `${delay}ms`, `${jitter}ms`],
    ...(loss > 0 ? ['loss', percent(loss)] : []),
    ...(corrupt > 0 ? ['corrupt', percent(corrupt)] : []),
    ...(duplicate > 0 ? ['duplicate', percent(duplicate)] : []),
    ...(reorder > 0 ? ['reorder', percent(reorder)] : []),
    ...(rate > 0 ? ['rate', `${rate * 8}bit`] : []),
  ]
}

interface Ready {
  readonly port: number
  readonly securePort: number
  readonly ca: string
}

/** The servers on the far side: HTTP, HTTPS and names. */
export class Far {
  readonly ready: Ready
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child
    this.ready = ready
  }

  /** Until the test ends. */
  static async start(t: Test, port = 0): Promise<Far> {
    const script = fileURLToPath(new URL('far.js', import.meta.url))
    const { NODE_V8_COVERAGE: _coverage, ...env } = process.env
    const args = ['netns', 'exec', plan.far, process.execPath, script, String(port)]
    const child = spawn('ip', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
    t.teardown(() => child.kill('SIGKILL'))
    const ready = await new Promise<Ready>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Ready))
      child.once('exit', (code) => reject(new Error(`the far side ended with ${code}`)))
    })
    return new Far(child, ready)
  }

  url(host: string): string {
    return `http://${host}:${this.ready.port}`
  }

  /** Does something, and tells how often each path was executed. */
  order(order: Order): Promise<Record<string, number>> {
    return new Promise((resolve) => {
      this.#child.once('message', (message) => resolve(message as Record<string, number>))
      this.#child.send(order)
    })
  }

  /** As a power cut would. */
  kill(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.kill('SIGKILL')
    })
  }
}

/** Waits until no socket of this process is left, a while at most. */
export async function nothingLeft(t: Test): Promise<void> {
  for (let tries = 0; tries < 200 && /tcp/.test(handles()); tries++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  t.notMatch(handles(), /tcp/, 'no socket is left')
}

/** What a request came to: its body, or its error in short. */
export interface Outcome {
  readonly body: Buffer | null
  readonly error: (Error & { code?: string; phase?: string; reusedSocket?: boolean; fault?: string }) | null
}

/** `name code phase` of an error. */
export function told({ error }: Outcome): string {
  return error === null ? 'answered' : `${error.name} ${error.code} ${error.phase}`
}

type Asked = { path: string; method?: string; body?: Buffer; origin?: string } & Record<string, unknown>

interface Asker {
  // biome-ignore lint/suspicious/noExplicitAny: every dispatcher, composed ones too.
  request(options: any): Promise<{ statusCode: number; body: { arrayBuffer(): Promise<ArrayBuffer> } }>
}

/** Sends a request, to its end. */
export async function ask(dispatcher: Asker, asked: Asked): Promise<Outcome> {
  try {
    const { body } = await dispatcher.request({ method: 'GET', ...asked })
    return { body: Buffer.from(await body.arrayBuffer()), error: null }
  } catch (error) {
    return { body: null, error: error as Error }
  }
}
