import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import net from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { handles } from '../../bench/harness/process-resources.js'
import type { Plan } from './network.js'
import type { PacketDamage } from './relay.js'
import type { Command } from './server-process.js'

/** The network that this process runs in. */
export const plan = JSON.parse(process.env.SLUICE_NETWORK ?? '{}') as Plan

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

export const ipFar = (...args: string[]): string => run('ip', '-n', plan.far, ...args)
export const onNear = run
export const onFar = (...args: string[]): string => run('ip', 'netns', 'exec', plan.far, ...args)

/** Changes a kernel setting of one side. */
export function setSysctl(side: 'near' | 'far', name: string, value: string | number): void {
  const on = side === 'near' ? onNear : onFar
  on('sh', '-c', `echo '${value}' > /proc/sys/net/${name}`)
}

/** Drops packets to the client on the far side: connections can neither open nor close. */
export function blackHole(on: boolean, address = '10.77.1.1/32'): void {
  ipFar(...(address.includes(':') ? ['-6'] : []), 'route', on ? 'add' : 'delete', 'blackhole', address)
}

/** Takes the smooth link down, or up again with its addresses and routes. */
export function link(state: 'up' | 'down'): void {
  ipFar('link', 'set', 'smooth', state)
}

/** Damages packets of the rough link in both directions. Returns the number of packets damaged since the last change, if known. */
export async function damagePackets(damage: PacketDamage): Promise<number> {
  if (plan.damageMethod === 'netem') {
    for (const name of [plan.near, plan.far]) run('tc', '-n', name, ...netem(damage))
    return Number.NaN
  }
  const socket = net.connect(join(plan.folder, 'relay.sock'))
  const damaged = await new Promise((resolve, reject) => {
    socket.once('error', reject).once('data', resolve)
    socket.write(JSON.stringify(damage))
  })
  socket.destroy()
  return Number(damaged)
}

/** Returns whether tc(8) accepts these settings. Used on kernels without netem. */
export function isNetem(damage: PacketDamage): boolean {
  try {
    run('tc', '-n', plan.near, ...netem(damage))
    return true
  } catch (error) {
    return /qdisc kind is unknown/.test(String((error as { stderr?: string }).stderr))
  }
}

/** Returns the arguments of tc(8). */
function netem(damage: PacketDamage): string[] {
  const { loss = 0, delay = 0, jitter = 0, reorder = 0, duplicate = 0, corrupt = 0, rate = 0 } = damage
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

/** The servers on the far side: HTTP, HTTPS and DNS. */
export class FarServers {
  readonly ready: Ready
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child
    this.ready = ready
  }

  /** Starts the servers until the test ends. */
  static async start(t: Test, port = 0): Promise<FarServers> {
    const script = fileURLToPath(new URL('server-process.js', import.meta.url))
    const { NODE_V8_COVERAGE: _coverage, ...env } = process.env
    const args = ['netns', 'exec', plan.far, process.execPath, script, String(port)]
    const child = spawn('ip', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
    t.teardown(() => child.kill('SIGKILL'))
    const ready = await new Promise<Ready>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Ready))
      child.once('exit', (code) => reject(new Error(`the servers of the far side exited with code ${code}`)))
    })
    return new FarServers(child, ready)
  }

  url(host: string): string {
    return `http://${host}:${this.ready.port}`
  }

  /** Executes a command. Returns the number of executions by path. */
  command(command: Command): Promise<Record<string, number>> {
    return new Promise((resolve) => {
      this.#child.once('message', (message) => resolve(message as Record<string, number>))
      this.#child.send(command)
    })
  }

  /** Kills the servers without closing connections, like a power failure. */
  kill(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.kill('SIGKILL')
    })
  }
}

/** Checks that all sockets of this process are closed within a while. */
export async function noSocketsLeft(t: Test): Promise<void> {
  for (let attempts = 0; attempts < 200 && /tcp/.test(handles()); attempts++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  t.notMatch(handles(), /tcp/, 'no socket is left')
}

/** Outcome of a request: its body, or its error. */
export interface Outcome {
  readonly body: Buffer | null
  readonly error: (Error & { code?: string; phase?: string; reusedSocket?: boolean; fault?: string }) | null
}

/** Returns `answered`, or name, code and phase of the error. */
export function describe({ error }: Outcome): string {
  return error === null ? 'answered' : `${error.name} ${error.code} ${error.phase}`
}

type RequestParts = { path: string; method?: string; body?: Buffer; origin?: string } & Record<string, unknown>

interface Requester {
  // biome-ignore lint/suspicious/noExplicitAny: every dispatcher, composed ones too.
  request(options: any): Promise<{ statusCode: number; body: { arrayBuffer(): Promise<ArrayBuffer> } }>
}

/** Sends a request and reads its body. */
export async function ask(dispatcher: Requester, parts: RequestParts): Promise<Outcome> {
  try {
    const { body } = await dispatcher.request({ method: 'GET', ...parts })
    return { body: Buffer.from(await body.arrayBuffer()), error: null }
  } catch (error) {
    return { body: null, error: error as Error }
  }
}
