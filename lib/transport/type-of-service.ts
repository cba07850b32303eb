import type { Duplex } from 'node:stream'

/** Newer Nodes alone have these. */
interface TypeOfServiceSocket {
  getTypeOfService?(): number
  setTypeOfService?(value: number): void
}

/** Sets the IP type of service of `socket`. Not every system lets it be set: what was asked for is a hint. */
export function setTypeOfService(socket: Duplex, value: number): void {
  try {
    ;(socket as TypeOfServiceSocket).setTypeOfService?.(value)
  } catch {}
}

/** IP type of service of `socket`; 0 where it can not be read. */
export function typeOfServiceOf(socket: Duplex): number {
  try {
    return (socket as TypeOfServiceSocket).getTypeOfService?.() ?? 0
  } catch {
    return 0
  }
}
