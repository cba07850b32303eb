import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Usage } from '../origin/origin.js'
import type { ScenarioName } from '../origin/scenarios.js'
import type { Workload } from '../workloads/workload.js'
import type { BenchClient, Setup } from './client-session.js'
import type { Packages } from './packages.js'
import { type Affinity, type BenchProcess, start } from './processes.js'

interface RunnerOptions {
  packages: Packages
  affinity: Affinity
  /** Makes the origin answer wrongly. */
  spoil?: boolean
}

/** Runs the origin, and starts client processes that send requests to it. */
export class Runner {
  readonly packages: Packages
  readonly affinity: Affinity
  readonly #origin: BenchProcess
  readonly #folder: string
  readonly #authority: string
  readonly #spoil: boolean
  readonly #ports = new Map<string, Promise<number[]>>()

  private constructor(given: RunnerOptions, origin: BenchProcess, certificate: string) {
    this.packages = given.packages
    this.affinity = given.affinity
    this.#spoil = given.spoil ?? false
    this.#origin = origin
    this.#folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
    this.#authority = join(this.#folder, 'authority.pem')
    writeFileSync(this.#authority, certificate)
  }

  static async start(given: RunnerOptions): Promise<Runner> {
    const origin = start({ program: 'origin/main.js', role: 'origin', affinity: given.affinity })
    const certificate = await origin.channel.call<string>('authority')
    return new Runner(given, origin, certificate)
  }

  usage(): Promise<Usage> {
    return this.#origin.channel.call('usage')
  }

  /** Returns ports that answer as the scenario defines. They are opened on first use. */
  ports(scenario: ScenarioName, options: { secure?: boolean; count?: number } = {}): Promise<number[]> {
    const key = JSON.stringify([scenario, options])
    let ports = this.#ports.get(key)
    if (ports === undefined) {
      ports = this.#origin.channel.call<number[]>('listen', { scenario, ...options })
      this.#ports.set(key, ports)
    }
    return ports
  }

  async setup(workload: Workload, upstreams = 1): Promise<Setup> {
    const { scenario, api, connections, pipelining, secure } = workload
    const ports = await this.ports(this.#spoil ? 'wrong' : scenario, { secure, count: upstreams })
    const urls = ports.map((port) => `${secure ? 'https' : 'http'}://127.0.0.1:${port}/`)
    return { urls, scenario, api, connections, pipelining }
  }

  /** Starts a client process without a session. */
  startClient(flags: readonly string[] = []): BenchProcess {
    const env = { NODE_EXTRA_CA_CERTS: this.#authority }
    return start({ program: 'harness/worker.js', role: 'client', affinity: this.affinity, env, flags })
  }

  /** Starts a client process and opens its session. */
  async session(client: BenchClient, setup: Setup): Promise<BenchProcess> {
    const started = this.startClient()
    try {
      await started.channel.call('open', { client: client.name, setup, folder: this.packages.folder })
    } catch (error) {
      await started.close()
      throw error
    }
    return started
  }

  async close(): Promise<void> {
    await this.#origin.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
