import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { ability, namespaceExists } from './capabilities.js'
import { Network, type Plan } from './network.js'

/** Timeout in ms. `make faults` runs long. */
const TIMEOUT = 600_000

/** Runs cases one after another in a new network, or skips them with the reason. */
export async function runCases(t: Test, names: readonly string[]): Promise<void> {
  const { lacking, damageMethod } = ability()
  if (lacking !== false) return void t.pass('faults of a network', { skip: lacking })
  if (damageMethod === 'relay') t.comment('the kernel has no netem: packets of the rough link are spoiled by a relay')
  t.setTimeout(TIMEOUT)
  const network = await Network.make(damageMethod)
  const { near, far } = network.plan
  try {
    for (const name of names) {
      const script = fileURLToPath(new URL(`cases/${name}.js`, import.meta.url))
      const [command, args] = network.inside(process.execPath, script)
      const env = { ...process.env, SLUICE_NETWORK: JSON.stringify(network.plan), TAP_TIMEOUT: String(TIMEOUT / 1000) }
      await t.spawn(command, args, { env, name, timeout: TIMEOUT })
    }
  } finally {
    await network.remove()
  }
  t.notOk(namespaceExists(near) || namespaceExists(far), 'the network is removed')
}

/** Checks that the cleanup process removes the network after its creator was killed. */
export async function testCleanup(t: Test): Promise<void> {
  if (ability().lacking !== false) return
  const script = fileURLToPath(new URL('killed-process.js', import.meta.url))
  const child = fork(script)
  const { near, far } = await new Promise<Plan>((resolve) => child.once('message', (plan) => resolve(plan as Plan)))
  t.ok(namespaceExists(near) && namespaceExists(far))
  child.kill('SIGKILL')
  while (namespaceExists(near) || namespaceExists(far)) await new Promise((resolve) => setTimeout(resolve, 10))
  t.pass('the network of a process that was killed is gone')
}
