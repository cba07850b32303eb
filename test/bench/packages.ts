import { install, type Packages } from '../../bench/harness/packages.js'

let result: Packages | string | null = null

/** Returns why the packages of the bench can not be installed, or false if they are installed. */
export function missing(): string | false {
  if (result === null) {
    try {
      result = install()
    } catch (error) {
      if (process.env.SLUICE_NO_SKIP !== undefined) throw error
      result = (error as Error).message
    }
  }
  return typeof result === 'string' ? result : false
}

export function packages(): Packages {
  if (result === null || typeof result === 'string') throw new Error('call missing() first')
  return result
}
