import { install, type Packages } from '../../bench/harness/packages.js'

let found: Packages | string | null = null

/** Why what the bench installs is not there; false when it is. */
export function missing(): string | false {
  if (found === null) {
    try {
      found = install()
    } catch (error) {
      if (process.env.SLUICE_NO_SKIP !== undefined) throw error
      found = (error as Error).message
    }
  }
  return typeof found === 'string' ? found : false
}

export function packages(): Packages {
  if (found === null || typeof found === 'string') throw new Error('ask what is missing first')
  return found
}
