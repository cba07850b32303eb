// Runs in every runtime: all capabilities of the library, with servers in another process.
import { composition } from './cases/composition.js'
import { connections } from './cases/connections.js'
import { dispatchers } from './cases/dispatchers.js'
import { failures } from './cases/failures.js'
import { messages } from './cases/messages.js'
import type { Case, Outcome, World } from './servers.js'

/** Cases by capability and name. */
export const capabilities: Record<string, Record<string, Case>> = {
  ...dispatchers,
  ...messages,
  ...connections,
  ...failures,
  ...composition,
}

const LIMIT = 15_000

/** Runs the cases one after the other. `only` selects those whose capability or name contains it. */
export async function conform(world: World, only = ''): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [capability, cases] of Object.entries(capabilities)) {
    for (const [name, run] of Object.entries(cases)) {
      if (!`${capability}: ${name}`.includes(only)) continue
      outcomes.push({ capability, name, error: await errorOf(run, world) })
    }
  }
  return outcomes
}

async function errorOf(run: Case, world: World): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${LIMIT} ms`)), LIMIT)
  })
  try {
    await Promise.race([run(world), late])
    return null
  } catch (error) {
    return error instanceof Error ? (error.stack ?? String(error)) : String(error)
  } finally {
    clearTimeout(timer)
  }
}
