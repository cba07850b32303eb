import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { ability, stands } from './able.js'
import { Network, type Plan } from './network.js'

/** ms; `make faults` takes long. */
const PATIENCE = 600_000

/** Runs cases one after another within a network of their own, or tells why that can not be. */
export async function within(t: Test, names: readonly string[]): Promise<void> {
  const { lacking, roughness } = ability()
  if (lacking !== false) return void t.pass('faults of a network', { skip: lacking })
  if (roughness === 'relay') t.comment('the kernel has no netem: packets of the rough link are spoiled by a relay')
  t.setTimeout(PATIENCE)
  const network = await Network.make(roughness)
  const { near, far } = network.plan
  try {
    for (const name of names) {
      const script = fileURLToPath(new URL(`cases/${name}.js`, import.meta.url))
      const [command, args] = network.inside(process.execPath, script)
      const env = { ...process.env, SLUICE_NETWORK: JSON.stringify(network.plan), TAP_TIMEOUT: String(PATIENCE / 1000) }
      await t.spawn(command, args, { env, name, timeout: PATIENCE })
    }
  } finally {
    await network.remove()
  }
  t.notOk(stands(near) || stands(far), 'the network is gone')
}

/** Nobody is left to clean up behind who made the network, but the guard. */
export async function killed(t: Test): Promise<void> {
  if (ability().lacking !== false) return
  const script = fileURLToPath(new URL('doomed.js', import.meta.url))
  const child = fork(script)
  const { near, far } = await new Promise<Plan>((resolve) => child.once('message', (plan) => resolve(plan as Plan)))
  t.ok(stands(near) && stands(far))
  child.kill('SIGKILL')
  while (stands(near) || stands(far)) await new Promise((resolve) => setTimeout(resolve, 10))
  t.pass('the network of a process that was killed is gone')
}
