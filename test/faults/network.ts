import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { newFolder } from '../servers/program.js'
import type { DamageMethod } from './capabilities.js'

/** Description of the network for its cases. */
export interface Plan {
  /** Namespace of the client. */
  readonly near: string
  /** Namespace of the servers. */
  readonly far: string
  readonly folder: string
  readonly damageMethod: DamageMethod
}

/** Perl program: opens a TUN device, which Node can not, and executes another program with the descriptor as last argument. */
const OPEN_TUN = `
  use Fcntl;
  my ($name, @then) = @ARGV;
  sysopen(my $tun, '/dev/net/tun', O_RDWR) or die "tun: $!";
  ioctl($tun, 0x400454ca, pack('a16 s x22', $name, 0x1001)) or die "ioctl: $!";
  fcntl($tun, F_SETFD, 0);
  exec @then, fileno($tun);
`

/** Shell program: kills the processes in the namespaces and removes these, on request or when their creator has exited. */
const CLEANUP = `
  cat >/dev/null
  for name in "$@"; do
    ip netns pids "$name" | xargs -r kill -9
    ip netns delete "$name"
    rm -rf "/etc/netns/$name"
  done
  rm -rf "$FOLDER"
`

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] })
}

let made = 0

/**
 * Two network namespaces, one for clients and one for servers, connected by two links: `smooth`, a veth pair, 10.77.1.0/24
 * and fd77:1::/64; and `rough`, 10.77.2.0/24, whose packets can be damaged. Client addresses end in 1, server addresses in 2.
 */
export class Network {
  readonly plan: Plan
  readonly #cleanup: ChildProcess
  #relay: ChildProcess | null = null

  private constructor(damageMethod: DamageMethod) {
    const name = `sluice-${process.pid}-${made++}`
    this.plan = { near: `${name}-near`, far: `${name}-far`, folder: newFolder(), damageMethod }
    const { near, far, folder } = this.plan
    this.#cleanup = spawn('sh', ['-c', CLEANUP, 'guard', near, far], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      env: { ...process.env, FOLDER: folder },
    })
  }

  static async make(damageMethod: DamageMethod): Promise<Network> {
    const network = new Network(damageMethod)
    try {
      const { near, far } = network.plan
      for (const name of [near, far]) {
        ip('netns', 'add', name)
        ip('-n', name, 'link', 'set', 'lo', 'up')
      }
      network.#names()
      network.#join('smooth')
      if (damageMethod === 'netem') network.#join('rough')
      else await network.#startRelay()
      network.#address()
    } catch (error) {
      await network.remove()
      throw error
    }
    return network
  }

  /** Returns a command line that runs a command in the namespace of the client. */
  inside(command: string, ...args: string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.plan.near, command, ...args]]
  }

  async remove(): Promise<void> {
    const relay = this.#relay
    relay?.removeAllListeners('exit')
    this.#cleanup.stdin?.end()
    await new Promise((resolve) => this.#cleanup.once('exit', resolve))
  }

  /** Writes hosts and resolver files of the client's namespace. */
  #names(): void {
    const folder = join('/etc/netns', this.plan.near)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'hosts'), '127.0.0.1 localhost\n10.77.1.2 both.test\nfd77:1::2 both.test\n')
    writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: files dns\n')
    writeFileSync(join(folder, 'resolv.conf'), 'nameserver 10.77.1.2\noptions timeout:1 attempts:1\n')
  }

  #join(name: string): void {
    const { near, far } = this.plan
    ip('-n', near, 'link', 'add', name, 'type', 'veth', 'peer', 'name', name, 'netns', far)
  }

  async #startRelay(): Promise<void> {
    const { near, far, folder } = this.plan
    const opened = (space: string) => ['ip', 'netns', 'exec', space, 'perl', '-e', OPEN_TUN, 'rough']
    const relay = fileURLToPath(new URL('relay.js', import.meta.url))
    const socket = join(folder, 'relay.sock')
    const [command, ...args] = [...opened(near), ...opened(far), process.execPath, relay, socket]
    const { NODE_V8_COVERAGE: _coverage, ...env } = process.env
    const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
    this.#relay = child
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve())
      child.once('exit', (code) => reject(new Error(`the relay exited with code ${code}`)))
    })
  }

  #address(): void {
    for (const [name, end] of [
      [this.plan.near, '1'],
      [this.plan.far, '2'],
    ] as const) {
      for (const [device, net] of [
        ['smooth', '1'],
        ['rough', '2'],
      ] as const) {
        ip('-n', name, 'address', 'add', `10.77.${net}.${end}/24`, 'dev', device)
        ip('-n', name, 'link', 'set', device, 'up')
      }
      ip('-n', name, 'address', 'add', `fd77:1::${end}/64`, 'dev', 'smooth', 'nodad')
    }
  }
}
