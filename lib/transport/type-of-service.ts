import type { Duplex } from 'node:stream'

/** Socket of a Node version that can set the type of service. */
interface TypeOfServiceSocket {
  getTypeOfService?(): number
  setTypeOfService?(value: number): void
}

/** Sets the IP type of service of a socket. Does nothing if the runtime or the system does not support it. */
export function setTypeOfService(socket: Duplex, value: number): void {
  try {
    ;(socket as TypeOfServiceSocket).setTypeOfService?.(value)
  } catch {}
}

/** Returns the IP type of service of a socket; 0 if it can not be read. */
export function typeOfServiceOf(socket: Duplex): number {
  try {
    return (socket as TypeOfServiceSocket).getTypeOfService?.() ?? 0
  } catch {
    return 0
  }
}
