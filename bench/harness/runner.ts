import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Usage } from '../origin/origin.js'
import type { SceneName } from '../origin/scenes.js'
import type { Workload } from '../workloads/workload.js'
import type { Packages } from './packages.js'
import { type Affinity, type Started, start } from './processes.js'
import type { Contender, Setup } from './session.js'

interface Given {
  packages: Packages
  affinity: Affinity
  /** The origin answers what it should not. */
  spoil?: boolean
}

/** The origin, and contenders that are let at it one at a time. */
export class Runner {
  readonly packages: Packages
  readonly affinity: Affinity
  readonly #origin: Started
  readonly #folder: string
  readonly #authority: string
  readonly #spoil: boolean
  readonly #ports = new Map<string, Promise<number[]>>()

  private constructor(given: Given, origin: Started, certificate: string) {
    this.packages = given.packages
    this.affinity = given.affinity
    this.#spoil = given.spoil ?? false
    this.#origin = origin
    this.#folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
    this.#authority = join(this.#folder, 'authority.pem')
    writeFileSync(this.#authority, certificate)
  }

  static async start(given: Given): Promise<Runner> {
    const origin = start({ program: 'origin/main.js', place: 'origin', affinity: given.affinity })
    const certificate = await origin.channel.ask<string>('authority')
    return new Runner(given, origin, certificate)
  }

  usage(): Promise<Usage> {
    return this.#origin.channel.ask('usage')
  }

  /** Ports that answer as the scene says, opened when first asked for. */
  ports(scene: SceneName, options: { secure?: boolean; count?: number } = {}): Promise<number[]> {
    const key = JSON.stringify([scene, options])
    let ports = this.#ports.get(key)
    if (ports === undefined) {
      ports = this.#origin.channel.ask<number[]>('listen', { scene, ...options })
      this.#ports.set(key, ports)
    }
    return ports
  }

  async setup(workload: Workload, upstreams = 1): Promise<Setup> {
    const { scene, api, connections, pipelining, secure } = workload
    const ports = await this.ports(this.#spoil ? 'wrong' : scene, { secure, count: upstreams })
    const urls = ports.map((port) => `${secure ? 'https' : 'http'}://127.0.0.1:${port}/`)
    return { urls, scene, api, connections, pipelining }
  }

  /** A process for a contender, with nothing opened yet. */
  contender(flags: readonly string[] = []): Started {
    const env = { NODE_EXTRA_CA_CERTS: this.#authority }
    return start({ program: 'harness/worker.js', place: 'contender', affinity: this.affinity, env, flags })
  }

  /** A process with the session of a contender. */
  async session(contender: Contender, setup: Setup): Promise<Started> {
    const started = this.contender()
    try {
      await started.channel.ask('open', { contender: contender.name, setup, folder: this.packages.folder })
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
